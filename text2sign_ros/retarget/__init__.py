"""From keypoints to the joints of a robot."""
