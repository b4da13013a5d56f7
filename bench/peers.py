# SPDX-License-Identifier: Apache-2.0
"""The peers that come as npm packages: how to get them, and where their programs are. For bench/start and bench/guard."""
import glob
import os
import shutil
import subprocess

import measure

PACKAGES = ["@openai/codex", "@anthropic-ai/sandbox-runtime"]


def install():
    subprocess.run(["npm", "install", "--no-fund", "--no-audit", "--prefix", measure.cache(), *PACKAGES], check=True)


def codex_program(path):
    # The program itself where the package has it: its launcher adds the start of Node, which is not the sandbox's. Where it
    # lies has changed between releases.
    native = [p for p in glob.glob(measure.cache() + "/node_modules/**/vendor/**/codex", recursive=True)
              if os.path.isfile(p) and os.access(p, os.X_OK)]
    return next(iter(native), None) or shutil.which("codex", path=path)


def srt_program(path):
    return shutil.which("srt", path=measure.cache() + "/node_modules/.bin:" + path)
