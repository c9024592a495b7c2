"""A supporting document, handed out: to those whom a page or the administration has let in."""

from django.http import FileResponse

from senders.models import SenderDocument


def as_download(document: SenderDocument) -> FileResponse:
    """The document as a file to keep, under its name and the type that its content has; never shown as a page."""
    answer = FileResponse(
        document.file.open("rb"), as_attachment=True, filename=document.name, content_type=document.media_type
    )
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["Cache-Control"] = "private, no-store"
    return answer
