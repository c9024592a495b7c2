"""A file that a page asked for, kept in memory as it arrives: never on the disk, and never more than is wanted."""

from io import BytesIO
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

# What the whole body may measure, as a multiple of the file: beyond it nothing is read at all.
_TOLERANCE = 8


class BoundedUpload(FileUploadHandler):
    """Keeps up to `most` bytes of all files of a request together; of what is beyond, nothing but the file's `size`.

    A page sets it as the only handler of its request, before anything has read the body.
    """

    def __init__(self, request: HttpRequest, *, most: int) -> None:
        super().__init__(request)
        self.room = most
        self.most = most
        self.content = BytesIO()

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: str, encoding: str | None = None
    ) -> None:
        """Refuse a body that is far above the limit before it is read. Raises RequestDataTooBig."""
        if content_length > self.most * _TOLERANCE:
            raise RequestDataTooBig(f"a body of {content_length} bytes")

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.content = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if len(raw_data) > self.room:
            self.room = 0
            self.content = BytesIO()
        else:
            self.room -= len(raw_data)
            self.content.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        self.content.seek(0)
        return InMemoryUploadedFile(
            file=self.content,
            field_name=self.field_name,
            name=self.file_name or "",
            content_type=self.content_type or "",
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )
