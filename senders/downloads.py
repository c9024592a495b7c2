"""A supporting document, handed out: to those whom a page or the administration has let in."""

import logging

from django.http import FileResponse, Http404

from senders.models import SenderDocument

log = logging.getLogger(__name__)


def as_download(document: SenderDocument) -> FileResponse:
    """The document as a file to keep, under its name and the type that its content has; never shown as a page.

    Raises Http404 when the storage has lost it: a backup of the database has no files.
    """
    try:
        file = document.file.open("rb")
    except FileNotFoundError:
        log.error("The document %d is not in the storage: %s", document.pk, document.file.name)
        raise Http404 from None
    answer = FileResponse(file, as_attachment=True, filename=document.name, content_type=document.media_type)
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["Cache-Control"] = "private, no-store"
    return answer
