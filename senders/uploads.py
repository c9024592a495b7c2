"""The files of a request for a sender as they arrive: on the disk, outside the web root, never more than is wanted."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest

from senders.forms import MOST_BYTES, MOST_FILES

# The whole body: the files and the rest of the form. Beyond it nothing is read at all.
MOST_BODY = (MOST_FILES + 1) * MOST_BYTES


class BoundedFiles(TemporaryFileUploadHandler):
    """Writes at most MOST_BYTES of each file, and nothing of files beyond MOST_FILES; `size` stays the true one.

    A page sets it as the only handler of its request, before anything has read the body.
    """

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.files = 0
        self.room = 0

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: str, encoding: str | None = None
    ) -> None:
        """Refuse a body far above the limit before it is read. Raises RequestDataTooBig."""
        if content_length > MOST_BODY:
            raise RequestDataTooBig(f"a body of {content_length} bytes")

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.files += 1
        self.room = MOST_BYTES if self.files <= MOST_FILES else 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.room:
            super().receive_data_chunk(raw_data[: self.room], start)
            self.room = max(0, self.room - len(raw_data))
