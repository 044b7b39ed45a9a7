"""The variational autoencoder that a configuration asks for."""

from __future__ import annotations

from text2sign_ros.networks.hand_vae import HandVAE
from text2sign_ros.networks.pose_vae import PoseVAE, SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE


def build(config: SignVAEConfig) -> PoseVAE:
    """A new network, ``HandVAE`` if the hands have codes of their own."""
    return HandVAE(config) if config.hand_dim else SignVAE(config)
