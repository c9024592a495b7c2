"""Supporting documents of a sender's request: what is taken, where it lies, and who may read it."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from credits.models import Account, Letter, Member
from senders import files, forms, services, uploads
from senders.models import Sender, SenderChange, SenderDocument
from tests import factories
from tests.pages import browser_of, read, sentence

REQUEST = "/senders/new/"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n"
HTML = b"<!doctype html><script>alert(1)</script>"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
PNG = b"\x89PNG\r\n\x1a\n" + HEADER + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
    b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xd2\xff\xd9"
)


@pytest.fixture(autouse=True)
def storage(db: None, settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield tmp_path / "files"


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def ask(browser: Client, *documents: SimpleUploadedFile, **changes: str | None) -> Any:
    form = read(browser.get(REQUEST)).form(REQUEST)
    filled = {"value": "BoulMartin", "description": "", "justification": "It is our name."} | changes
    return browser.post(REQUEST, {**form.typed(**filled), "documents": list(documents)})


def downloaded(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def kept(storage: Path) -> list[Path]:
    return [path for path in storage.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("content", "media_type"), [(PDF, "application/pdf"), (PNG, "image/png"), (JPEG, "image/jpeg")]
)
def test_a_document_is_known_by_its_content_whatever_it_is_called(
    account: Account, browser: Client, storage: Path, content: bytes, media_type: str
) -> None:
    assert ask(browser, SimpleUploadedFile("proof.exe", content, "text/html")).status_code == 302
    document = SenderDocument.objects.get(sender__account=account)
    assert (document.media_type, document.name, document.size) == (media_type, "proof.exe", len(content))
    (path,) = kept(storage)
    assert path.read_bytes() == content
    assert "proof" not in str(path.relative_to(storage))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a page that claims to be a PDF.pdf", HTML),
        ("page behind the head of a PDF.pdf", HTML + PDF),
        ("head of a PDF only.pdf", b"%PDF-1.7\n" + HTML + b" " * 2000),
        ("nothing.pdf", b" "),
        ("program.png", b"MZ\x90\x00"),
        ("head of a picture.png", PNG[:8] + HTML),
        ("cut.png", PNG[:-3]),
        ("wrong checksum.png", PNG.replace(HEADER, HEADER[:-1] + b"x")),
        ("no header.png", PNG.replace(HEADER, b"")),
        ("head of a photograph.jpg", b"\xff\xd8\xff\xe0" + HTML),
        ("no frame.jpg", JPEG[:20] + JPEG[34:]),
        ("cut.jpg", JPEG[:30]),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("workbook.xlsx", b"PK\x03\x04"),
        ("animation.gif", b"GIF89a"),
    ],
)
def test_what_is_none_is_refused_by_name_and_nothing_is_kept(
    browser: Client, storage: Path, name: str, content: bytes
) -> None:
    answer = ask(browser, SimpleUploadedFile("good.pdf", PDF), SimpleUploadedFile(name, content, "application/pdf"))
    assert answer.status_code == 422
    page = read(answer)
    assert f"“{name}” is no PDF, JPEG or PNG document" in page.one(id="errors").text
    assert "Choose the documents again" in page.text
    assert page.form(REQUEST).typed()["justification"].strip() == "It is our name."
    assert not SenderDocument.objects.exists()
    assert kept(storage) == []


@given(st.binary(max_size=300), st.sampled_from([b"", b"%PDF-1.4", PNG[:8], PNG[:33], JPEG[:4], JPEG[:24]]))
def test_no_content_is_too_strange_to_be_looked_at(rest: bytes, beginning: bytes) -> None:
    assert files.type_of(BytesIO(beginning + rest)) in (None, files.PDF, files.PNG, files.JPEG)


class Counted(BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, *size: Any) -> bytes:
        self.reads += 1
        return super().read(*size)


@pytest.mark.parametrize(
    "content",
    [
        JPEG[:2] + b"\xff" * 1_000_000,
        JPEG[:2] + b"\xff\xd0" * 500_000,
        JPEG[:2] + b"\xff\xe0\0\2" * 250_000,
        PNG[:33] + chunk(b"teXt", b"") * 80_000,
    ],
    ids=["filling", "markers", "segments", "chunks"],
)
def test_a_file_made_to_be_looked_at_for_long_is_given_up(content: bytes) -> None:
    file = Counted(content)
    assert files.type_of(file) is None
    assert file.reads < 70_000


def test_ten_documents_are_taken_and_eleven_are_not(browser: Client, storage: Path) -> None:
    ten = [SimpleUploadedFile(f"{number}.pdf", PDF) for number in range(10)]
    answer = ask(browser, *ten, SimpleUploadedFile("11.pdf", PDF))
    assert "Choose at most 10 documents." in read(answer).one(id="errors").text
    assert kept(storage) == []
    assert ask(browser, *[SimpleUploadedFile(f"{number}.pdf", PDF) for number in range(10)]).status_code == 302
    assert SenderDocument.objects.count() == 10


def test_a_document_above_ten_megabytes_is_refused_and_not_written_to_its_end(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "MOST_BYTES", 1000)
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    answer = ask(browser, SimpleUploadedFile("large.pdf", PDF + b" " * 200_000 + b"%%EOF"))
    assert "“large.pdf” is larger than 10 MB." in read(answer).one(id="errors").text


def test_a_body_far_above_the_limit_is_not_read(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_BODY", 1000)
    assert ask(browser, SimpleUploadedFile("large.pdf", PDF + b" " * 2000)).status_code == 400


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\claire\\kbis.pdf", "kbis.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("é ü 中.pdf", "é ü 中.pdf"),
        ("\0\n", "document"),
        ("a" * 300 + ".pdf", "a" * 88 + "aaaaaaaa.pdf"),
    ],
)
def test_the_name_of_a_document_is_shown_without_tricks(name: str, shown: str) -> None:
    assert forms.shown_name(name) == shown


def test_a_document_is_handed_to_owners_as_a_file_to_keep(account: Account, browser: Client) -> None:
    ask(browser, SimpleUploadedFile("kbis été.pdf", PDF))
    document = SenderDocument.objects.get()
    link = read(browser.get("/senders/")).one("a", href=f"/senders/documents/{document.pk}/")
    assert link.text == "kbis été.pdf"
    answer = browser.get(f"/senders/documents/{document.pk}/")
    assert downloaded(answer) == PDF
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    for role in (Member.Role.SENDER, Member.Role.READER):
        colleague = browser_of(factories.member(account, role).user)
        assert colleague.get(f"/senders/documents/{document.pk}/").status_code == 403
        assert "kbis" not in read(colleague.get("/senders/")).text
    stranger = browser_of(factories.owner(factories.account(name="Other")))
    assert stranger.get(f"/senders/documents/{document.pk}/").status_code == 404


def test_the_administrator_reads_documents_and_staff_without_the_right_does_not(browser: Client) -> None:
    ask(browser, SimpleUploadedFile("kbis.pdf", PDF))
    document = SenderDocument.objects.get()
    address = f"/administration/senders/sender/document/{document.pk}/"
    root = browser_of(factories.user("root", superuser=True))
    page = read(root.get(f"/administration/senders/sender/{document.sender_id}/change/"))
    assert page.one("a", href=address).text == "kbis.pdf"
    assert downloaded(root.get(address)) == PDF
    clerk = factories.user("clerk")
    clerk.is_staff = True
    clerk.save()
    assert browser_of(clerk).get(address).status_code == 403
    assert browser.get(address).status_code == 302


def test_a_document_that_the_storage_has_lost_is_said_to_be_missing(
    account: Account, browser: Client, admin: Client, storage: Path
) -> None:
    ask(browser, SimpleUploadedFile("proof.pdf", PDF))
    document = SenderDocument.objects.get()
    (path,) = kept(storage)
    path.unlink()
    for answer in (
        browser.get(f"/senders/documents/{document.pk}/"),
        admin.get(f"/administration/senders/sender/document/{document.pk}/"),
    ):
        assert answer.status_code == 404
        assert "is gone" in sentence(read(answer))


def test_two_clicks_leave_no_file_behind(
    account: Account, browser: Client, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = services.request_sender

    def after_the_other_click(**asked: Any) -> Sender:
        alone(**(asked | {"documents": ()}))
        return alone(**asked)

    monkeypatch.setattr(services, "request_sender", after_the_other_click)
    assert ask(browser, SimpleUploadedFile("kbis.pdf", PDF)).status_code == 422
    assert kept(storage) == []


def test_the_list_asks_as_much_for_many_documents_as_for_one(
    account: Account, browser: Client, django_assert_num_queries: Any
) -> None:
    ask(browser, SimpleUploadedFile("a.pdf", PDF))
    with CaptureQueriesContext(connection) as before:
        browser.get("/senders/")
    asked = len(before)
    for value in ("Deux", "Trois"):
        ask(browser, *[SimpleUploadedFile(f"{number}.pdf", PDF) for number in range(5)], value=value)
    with django_assert_num_queries(asked):
        browser.get("/senders/")


# What the administrator decides


def act(admin: Client, action: str, *chosen: Sender, **more: str) -> Any:
    data = {"action": action, "_selected_action": [str(one.pk) for one in chosen], **more}
    return admin.post("/administration/senders/sender/", data, follow=True)


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


def test_a_name_like_a_protected_one_is_approved_only_when_that_was_shown_and_ticked(
    account: Account, admin: Client
) -> None:
    plain = factories.sender(account, "Fournil", status=Sender.Status.WAITING)
    like = factories.sender(account, "Arneli-Info", status=Sender.Status.WAITING)
    page = read(act(admin, "approve", plain, like))
    assert "Resembles: Ameli" in page.text
    assert set(Sender.objects.exclude(account=None).values_list("status", flat=True)) == {"waiting"}
    unticked = read(act(admin, "approve", plain, like, approve_again="Approve", **{f"alike-{like.pk}": "Ameli"}))
    assert "nobody ticked that they may use a protected name: Arneli-Info" in unticked.text
    like.refresh_from_db()
    plain.refresh_from_db()
    assert (plain.status, like.status) == ("enabled", "waiting")
    ticked = {f"alike-{like.pk}": "Ameli", f"sure-{like.pk}": "yes"}
    act(admin, "approve", like, approve_again="Approve", **ticked)
    like.refresh_from_db()
    assert like.status == "enabled"
    assert like.changes.get(verb="approved").note == "Ameli"


def test_a_tick_for_another_name_than_the_page_showed_approves_nothing(account: Account, admin: Client) -> None:
    like = factories.sender(account, "Colissimo", status=Sender.Status.WAITING)
    forged = {f"alike-{like.pk}": "Ameli", f"sure-{like.pk}": "yes"}
    page = read(act(admin, "approve", like, approve_again="Approve", **forged))
    assert "it also resembles Colissimo" in page.text
    like.refresh_from_db()
    assert like.status == "waiting"


def test_no_other_way_approves_a_name_like_a_protected_one(account: Account) -> None:
    like = factories.sender(account, "BNP", status=Sender.Status.WAITING)
    with pytest.raises(services.Resembles):
        services.approve(like, by=None)
    like.refresh_from_db()
    assert like.status == "waiting"


def test_the_list_of_the_administration_shows_what_a_sender_resembles(account: Account, admin: Client) -> None:
    factories.sender(account, "Ame1i", status=Sender.Status.WAITING)
    page = read(admin.get("/administration/senders/sender/"))
    assert "Ameli" in [cell.text for cell in page.all("td", **{"class": "field-resembles"})]


def letters(address: str) -> list[str]:
    return list(Letter.objects.filter(to=address).order_by("pk").values_list("subject", flat=True))


def test_the_requester_is_told_of_the_decision_and_the_administrator_of_the_request(
    account: Account, browser: Client, admin: Client, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "en"
    settings.ADMINS = [("boss@example.org", "boss@example.org")]
    person = factories.owner(account)
    person.email = "claire@example.org"
    person.save()
    ask(browser)
    asked = Sender.objects.get(account=account)
    assert letters("boss@example.org") == ["A sender waits for approval: “BoulMartin”"]
    act(admin, "refuse", asked, refuse="Refuse", reason="Not your name.")
    act(admin, "approve", asked)
    assert letters("claire@example.org") == ["The sender “BoulMartin” is refused", "The sender “BoulMartin” is enabled"]
    assert "Not your name." in Letter.objects.get(subject__contains="refused").body


def test_everything_that_happens_to_a_sender_is_kept_with_who_did_it(
    account: Account, browser: Client, admin: Client
) -> None:
    ask(browser)
    made = Sender.objects.get(account=account)
    act(admin, "approve", made)
    for verb in ("disable", "enable", "delete"):
        browser.post(f"/senders/{made.pk}/{verb}/")
    person = factories.owner(account)
    by = {change.verb: change.by for change in SenderChange.objects.filter(sender=made).select_related("by")}
    assert list(by) == ["requested", "approved", "disabled", "enabled", "deleted"]
    assert {by[verb] for verb in ("requested", "disabled", "enabled", "deleted")} == {person}
    assert by["approved"] is not None
    assert by["approved"].username == "root"


def test_the_history_of_a_sender_is_read_by_administrators_and_changed_by_nobody(
    account: Account, admin: Client
) -> None:
    made = factories.sender(account)
    page = read(admin.get(f"/administration/senders/sender/{made.pk}/change/"))
    assert "Approved" in sentence(page)
    assert page.all("input", name="changes-0-note") == []
