"""The picture of docs/viewer.md: the page in headless Chromium, with HELLO as the package's model signs it.

``python -m experiments.page_picture --out docs/viewer.png``
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from text2sign_ros.inference.signer import Signer
from text2sign_ros.resources import default_bundle
from text2sign_ros.skeleton import INDEX
from text2sign_ros.viewer.page import Page

FLAGS = ["--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run"]
PORT = 8377


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/viewer.png"))
    arguments = parser.parse_args()
    signer = Signer(default_bundle())
    motion = np.concatenate(list(signer.stream(signer.plan("hello"), seed=0)))
    page = Page("127.0.0.1", PORT, str, str)
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as profile:
        context = driver.chromium.launch_persistent_context(
            profile,
            executable_path=shutil.which("chromium"),
            args=FLAGS,
            viewport={"width": 1000, "height": 640},
        )
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{PORT}/")
        tab.get_by_text("Nobody who signs").wait_for()
        time.sleep(4.0)  # until the surfaces have come, and the notice about drawing without a graphics card
        tab.evaluate("() => document.querySelectorAll('.mantine-Notification-closeButton').forEach(b => b.click())")
        page.show(motion[motion[:, INDEX["right_wrist"], 2].argmax()])
        page.say("hello", "signing")
        time.sleep(4.0)
        tab.screenshot(path=str(arguments.out), timeout=120_000)
        context.close()
    page.close()
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
