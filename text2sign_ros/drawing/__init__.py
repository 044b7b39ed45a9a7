"""Pictures of signing: one frame, a contact sheet (PNG) and a video (MP4). They need the extra ``files``."""

from text2sign_ros.drawing.captions import NOTICE
from text2sign_ros.drawing.figure import frame_image
from text2sign_ros.drawing.sheet import contact_sheet
from text2sign_ros.drawing.video import video

__all__ = ["NOTICE", "contact_sheet", "frame_image", "video"]
