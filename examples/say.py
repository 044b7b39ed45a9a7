"""Have a text signed as if it were to be spoken: by the action tts_msgs/action/TTS of ROS4HRI, if that is installed.

python examples/say.py "hello can i get a coffee" --ros-args -r tts:=/signer/tts
"""

from __future__ import annotations

import sys

import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.utilities import remove_ros_args
from tts_msgs.action import TTS


def main() -> int:
    rclpy.init()
    node = rclpy.create_node("dialogue")
    client = ActionClient(node, TTS, node.resolve_topic_name("tts"))
    client.wait_for_server()
    text = " ".join(remove_ros_args(sys.argv)[1:]) or "hello"
    sent = client.send_goal_async(TTS.Goal(input=text, locale="en_US"), lambda m: print(m.feedback.word, flush=True))
    rclpy.spin_until_future_complete(node, sent)
    if not sent.result().accepted:
        print("rejected")
        return 1
    ended = sent.result().get_result_async()
    rclpy.spin_until_future_complete(node, ended)
    succeeded = ended.result().status == GoalStatus.STATUS_SUCCEEDED
    print("all of it was signed" if succeeded else ended.result().result.error_msg)
    rclpy.shutdown()
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
