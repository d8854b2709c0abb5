"""PDF, Office and e-books -> Documents.

Text is what a reader would see, block by block; what a page, slide or chapter holds is read, given
back and forgotten before the next. `on_part` is told how many parts of how many are done.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from qa_bot.blocks import Block, document_of
from qa_bot.markup import blocks_of_page
from qa_bot.types import Document

OnPart = Callable[[int, int], None]

MAX_UNPACKED = 512 << 20  # bytes of a zip archive's members, together


# --- PDF --------------------------------------------------------------------------------------


def parse_pdf(source: str, data: bytes, on_part: OnPart) -> Document:
    """A PDF's text by PDFium, a page at a time, lines joined to paragraphs."""
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise ValueError("encrypted; save a copy without a password") from None
        raise ValueError("broken, or no PDF") from None
    metadata = pdf.get_metadata_dict(skip_empty=True)
    made = re.match(r"D:(\d{4})(\d\d)(\d\d)", metadata.get("CreationDate", ""))
    document = document_of(
        source,
        data,
        _pdf_blocks(pdf, on_part),
        _telling(metadata.get("Title")),
        author=metadata.get("Author"),
        date="-".join(made.groups()) if made else None,
    )
    if len(pdf) and not document.text.strip():
        raise ValueError("no text in it, only pictures of pages; run it through OCR first (ocrmypdf)")
    return document


def _pdf_blocks(pdf: Any, on_part: OnPart) -> Iterator[Block]:
    for number in range(len(pdf)):
        page = pdf[number]
        text_page = page.get_textpage()
        text = text_page.get_text_bounded()
        text_page.close()
        page.close()
        for paragraph in paragraphs_of_lines(text):
            yield Block(paragraph, page=number + 1)
        on_part(number + 1, len(pdf))


_BULLET = re.compile(r"\s*(?:[•▪‣◦*–-]|\d{1,3}[.)]|\([a-z0-9]{1,3}\))\s")
_ENDS_A_SENTENCE = re.compile(r"[.!?:]['\"’”)\]]*$")
_SHORT = 0.8  # of the widest line: what a paragraph's last line may be


def paragraphs_of_lines(text: str) -> Iterator[str]:
    """Printed lines, joined to paragraphs; PDFium has U+0002 or U+FFFE for the hyphen of a divided word."""
    text = re.sub("[\ufffe\x02](?:\r?\n)?", "", text)
    lines = [line.strip() for line in re.sub("(?<=-)\r?\n", "", text).splitlines()]
    widest = max(map(len, lines), default=0)
    paragraph: list[str] = []
    for line in lines:
        last = paragraph[-1] if paragraph else ""
        ended = _ENDS_A_SENTENCE.search(last) and len(last) < _SHORT * widest
        if paragraph and (not line or ended or _BULLET.match(line)):
            yield " ".join(paragraph)
            paragraph = []
        if line:
            paragraph.append(line)
    if paragraph:
        yield " ".join(paragraph)


def _telling(title: str | None) -> str | None:
    """The title, where it is one: programs that print to PDF put file names there."""
    if not title or re.search(r"\.\w{2,4}$|^(microsoft|untitled|slide \d)", title.strip(), re.IGNORECASE):
        return None
    return " ".join(title.split())


# --- zip archives: Word, PowerPoint, EPUB -----------------------------------------------------


def _opened(data: bytes, kind: str) -> zipfile.ZipFile:
    """The archive, if it may be unpacked: its members can be no longer than they say."""
    if data.startswith(b"\xd0\xcf\x11\xe0"):  # an OLE container: the old formats, or an encrypted new one
        raise ValueError(f"encrypted, or of an old format; save it as {kind} without a password")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        raise ValueError(f"broken, or no {kind} file") from None
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MAX_UNPACKED:
        raise ValueError(f"unpacks to {unpacked >> 20:,} MB; {MAX_UNPACKED >> 20} MB are the most")
    return archive


def _xml(data: bytes) -> Any:
    from lxml import etree

    # Entities are never resolved and nothing is fetched.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    root = etree.fromstring(data, parser)
    if root is None:
        raise ValueError("broken inside")
    return root


def _first(root: Any, *names: str) -> str | None:
    """The words of the first element with one of these names, namespaces apart."""
    for name in names:
        for element in root.iter(f"{{*}}{name}"):
            words = " ".join((element.text or "").split())
            if words:
                return words
    return None


def _core_properties(archive: zipfile.ZipFile) -> dict[str, str | None]:
    """Title, author and date of an Office file."""
    try:
        core = _xml(archive.read("docProps/core.xml"))
    except (KeyError, ValueError):
        return {}
    date = _first(core, "created")
    author = _first(core, "creator")
    named = author if author not in ("python-docx", "python-pptx") else None
    return {"title": _telling(_first(core, "title")), "author": named, "date": date[:10] if date else None}


def parse_docx(source: str, data: bytes) -> Document:
    """A Word document by mammoth: headings, paragraphs, lists, tables and notes."""
    import mammoth
    from lxml import html

    with _opened(data, ".docx") as archive:
        if "word/document.xml" not in archive.namelist():
            raise ValueError("broken, or no .docx file")
        properties = _core_properties(archive)
    no_picture = mammoth.images.img_element(lambda image: {"src": ""})
    page = mammoth.convert_to_html(io.BytesIO(data), convert_image=no_picture).value
    root = html.fromstring(f"<body>{page}</body>")
    return document_of(source, data, blocks_of_page(root), **properties)


def parse_pptx(source: str, data: bytes, on_part: OnPart) -> Document:
    """A presentation by python-pptx: a section a slide, named by its title; a slide counts as a page."""
    from pptx import Presentation

    with _opened(data, ".pptx") as archive:
        if "ppt/presentation.xml" not in archive.namelist():
            raise ValueError("broken, or no .pptx file")
        properties = _core_properties(archive)
    slides = Presentation(io.BytesIO(data)).slides
    return document_of(source, data, _slide_blocks(slides, on_part), **properties)


def _slide_blocks(slides: Any, on_part: OnPart) -> Iterator[Block]:
    for number, slide in enumerate(slides, start=1):
        title = slide.shapes.title
        if title is not None and title.has_text_frame:
            yield Block(" ".join(title.text_frame.text.split()), level=1, page=number)
        else:
            yield Block(f"Slide {number}", level=1, page=number)
        for shape in slide.shapes:
            if title is None or shape.shape_id != title.shape_id:
                yield from (Block(words, page=number) for words in _words_of_shape(shape))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            yield Block(slide.notes_slide.notes_text_frame.text, page=number)
        on_part(number, len(slides))


def _words_of_shape(shape: Any) -> Iterator[str]:
    for inner in getattr(shape, "shapes", ()):  # a group
        yield from _words_of_shape(inner)
    if getattr(shape, "has_table", False):
        for row in shape.table.rows:
            yield "; ".join(" ".join(cell.text.split()) for cell in row.cells)
    elif shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:
            yield " ".join(paragraph.text.split())


def parse_epub(source: str, data: bytes, on_part: OnPart) -> Document:
    """An e-book: its chapters in reading order (EPUB 3.3, W3C)."""
    with _opened(data, ".epub") as archive:
        try:
            container = _xml(archive.read("META-INF/container.xml"))
            root = next(container.iter("{*}rootfile")).get("full-path")
            package = _xml(archive.read(root))
        except (KeyError, StopIteration):
            raise ValueError("broken, or no .epub file") from None
        folder = posixpath.dirname(root)
        items = {item.get("id"): item.get("href") or "" for item in package.iter("{*}item")}
        chapters = [
            posixpath.normpath(posixpath.join(folder, unquote(items[entry.get("idref")])))
            for entry in package.iter("{*}itemref")
            if entry.get("idref") in items
        ]
        if "META-INF/encryption.xml" in archive.namelist():
            hidden = _xml(archive.read("META-INF/encryption.xml"))
            if {unquote(r.get("URI") or "") for r in hidden.iter("{*}CipherReference")} & set(chapters):
                raise ValueError("encrypted (DRM)")
        return document_of(
            source,
            data,
            _chapter_blocks(archive, chapters, on_part),
            _first(package, "title"),
            author=_first(package, "creator"),
            publisher=_first(package, "publisher"),
            date=(_first(package, "date") or "")[:10] or None,
        )


def _chapter_blocks(archive: zipfile.ZipFile, chapters: list[str], on_part: OnPart) -> Iterator[Block]:
    for number, name in enumerate(chapters, start=1):
        try:
            chapter = _xml(archive.read(name))
        except KeyError:
            raise ValueError(f"broken: it lacks its chapter {name!r}") from None
        body = next(chapter.iter("{*}body"), None)
        if body is not None:
            yield from blocks_of_page(body)
        on_part(number, len(chapters))
