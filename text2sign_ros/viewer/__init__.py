"""The avatar: its body, how it stands for a frame of keypoints, and files of its motion."""
