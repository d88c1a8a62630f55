"""The connect page behind a real port with an ephemeral certificate, and a real browser to look at it."""

from __future__ import annotations

import datetime
import logging
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.certificates import self_signed
from tieout.simulator.prompt import PromptServer

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
REQUIRED = os.environ.get("TIEOUT_TEST_BROWSER") == "required"
DRIVER = shutil.which("chromedriver") or ""
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--window-size=1000,1000",
)  # fmt: skip


def certificate(folder: Path) -> tuple[Path, Path]:
    """Files of a key and a certificate for 127.0.0.1, good for an hour."""
    key, made = self_signed("127.0.0.1", datetime.timedelta(hours=1))
    key_file, file = folder / "key.pem", folder / "certificate.pem"
    key_file.write_bytes(key)
    file.write_bytes(made)
    return key_file, file


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@contextmanager
def served(app: Any, folder: Path, listener: socket.socket, **options: Any) -> Iterator[None]:
    """`app` over https on the listener."""
    key, file = certificate(folder)
    config = uvicorn.Config(
        app,
        ssl_keyfile=str(key),
        ssl_certfile=str(file),
        timeout_graceful_shutdown=1,
        **{"log_level": "error"} | options,
    )
    server = PromptServer(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(30)
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
            logging.getLogger(name).handlers.clear()


def chromium(folder: Path) -> Any:
    """A headless browser with a profile of its own. Skips where there is none, unless one is required."""
    if not CHROMIUM or not DRIVER:
        assert not REQUIRED, "there is no Chromium, and here there must be"
        pytest.skip("no Chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.accept_insecure_certs = True
    for argument in (*ARGUMENTS, f"--user-data-dir={folder}"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service(DRIVER))
