"""Text in, sign-language motion out: real-time latent diffusion for ROS 2."""

import os

# Since 1.29 ONNX Runtime reports to its maker what it runs, from its first session on, unless this is set before.
# A robot reports to nobody; who wants it to sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
