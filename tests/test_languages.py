"""Texts in another language are told, and English never is; scripts without spaces are searched by pairs."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, FakeEncoder
from strategies import write
from test_reader import FakeSpans

from qa_bot import QABot, Settings, build_index
from qa_bot.evaluation import load
from qa_bot.languages import foreign_language, said_of
from qa_bot.panels import sources_html
from qa_bot.phrases import ENGLISH as IN_ENGLISH
from qa_bot.rendering import as_text
from qa_bot.words import content_words

FOREIGN = {
    "谁发布了白皮书?": "Chinese",
    "東京タワーはいつ完成したか": "Japanese",
    "서울의 인구는 얼마입니까?": "Korean",
    "Кто выпустил белую книгу?": "Russian or another language in Cyrillic",
    "من أصدر الكتاب الأبيض؟": "Arabic or another language in its script",
    "Wer hat das Weißbuch herausgegeben?": "German",
    "Combien de pays ont participé ?": "French",
    "¿Quién publicó el libro blanco?": "Spanish",
    "Quem publicou o livro branco?": "Portuguese",
    "Chi ha pubblicato il libro bianco?": "Italian",
    "Wie heeft het witboek uitgegeven?": "Dutch",
}
ENGLISH = (
    "Who wrote Die Welt als Wille und Vorstellung?",
    "What does 世界互联网大会 mean?",
    "Los Angeles or Las Vegas?",
    "who sang na na na na hey hey hey goodbye",
    "2022?",
    "",
)
CHINESE = "国务院新闻办公室三月发布白皮书。白皮书题为《新时代的中国网络法治建设》。"
OTHER = "东京塔高三百三十三米。它建于一九五八年。"
QUESTION = "谁发布了白皮书?"


@pytest.mark.parametrize(("text", "language"), FOREIGN.items())
def test_a_text_in_another_language_is_told(text: str, language: str) -> None:
    assert foreign_language(text) == language


@pytest.mark.parametrize("text", ENGLISH)
def test_an_english_text_with_foreign_words_is_not(text: str) -> None:
    assert foreign_language(text) is None


def test_no_question_about_the_article_is_taken_for_another_language() -> None:
    cases = load(ROOT / "evals" / "article.jsonl").cases
    assert [case.question for case in cases if foreign_language(case.question)] == []


@pytest.mark.data
def test_no_question_or_paragraph_of_squad_is(data: Path) -> None:
    squad = load(data / "squad2_dev_half.json.xz")
    texts = [*(case.question for case in squad.cases), *squad.paragraphs.values()]
    assert len(texts) > 6000 and [text for text in texts if foreign_language(text)] == []


def test_documents_are_named_by_language() -> None:
    languages = {f"{n}.txt": "Greek" for n in range(5)} | {"de.txt": "German"}
    assert said_of(languages) == [
        "de.txt seems to be in German; the model reads English, so answers may be missed.",
        "0.txt, 1.txt, 2.txt and 2 more seem to be in Greek; "
        "the model reads English, so answers may be missed.",
    ]


def test_a_scripts_without_spaces_is_cut_into_pairs_and_english_is_as_it_was() -> None:
    assert content_words("发布白皮书") == ["发布", "布白", "白皮", "皮书"]
    assert content_words("iPhone手机,水 and foxes' x1") == ["iphon", "手机", "水", "fox", "x1"]
    assert content_words("東京タワー") == ["東京", "京タ", "タワ", "ワー"]


def test_a_chinese_document_is_found_by_its_words_and_said_to_be_chinese(
    settings: Settings, encoder: FakeEncoder
) -> None:
    write(settings.sources, {"a.txt": OTHER, "b.txt": CHINESE, "c.txt": "The lamp was lit in 1871."})
    report = build_index(settings, encoder)
    assert report.manifest.languages == {"a.txt": "Chinese", "b.txt": "Chinese"}
    bot = QABot.open(settings.index, encoder=encoder)
    found = bot.retrieve(QUESTION, 3)
    assert found[0].passage.source == "b.txt" and found[0].lexical > 0
    assert [scored.lexical for scored in found[1:]] == [0, 0]
    shown = sources_html(bot, "", IN_ENGLISH, removable=False)
    assert f"<p>{as_text('a.txt, b.txt seem to be in Chinese; the model reads English')}" in shown
    (note,) = bot.ask(QUESTION).notes
    assert note == "The question seems to be in Chinese; the model reads English, so answers may be missed."
    assert bot.ask("When was the lamp lit?").notes == ()
    withholding = QABot.open(settings.index, encoder=encoder, settings=Settings(threshold=1))
    said = withholding.ask("谁登上了月球?").reason  # no pairs of characters are named as if they were words
    assert said == "What comes nearest to the question does not answer it."
    write(settings.sources, {"b.txt": CHINESE})
    assert build_index(settings, encoder).manifest.languages == {"b.txt": "Chinese"}


class ChineseReader(FakeSpans):
    """A reader that the user named, as a multilingual one."""

    name = "multilingual"
    digest = "multilingual-1"
    packaged = False

    def save(self, models: Path) -> None:
        (models / self.digest).mkdir(parents=True, exist_ok=True)


def test_a_multilingual_reader_answers_without_a_warning(settings: Settings, encoder: FakeEncoder) -> None:
    write(settings.sources, {"a.txt": OTHER, "b.txt": CHINESE})
    reader = ChineseReader({"国务院新闻办公室": 9.0})
    manifest = build_index(settings, encoder, reader=reader).manifest
    assert manifest.languages and not manifest.english_only
    bot = QABot.open(settings.index, encoder=encoder, reader=reader)
    assert "Chinese" not in sources_html(bot, "", IN_ENGLISH, removable=False)
    answer = bot.ask(QUESTION)
    assert (answer.text, answer.notes) == ("国务院新闻办公室", ())
    assert answer.citations[0].quote == "国务院新闻办公室三月发布白皮书。"


@pytest.fixture
def multilingual(tmp_path: Path) -> tuple[Path, Path]:
    """An encoder and a reader, made as multilingual ones are, of pieces of words; tiny, of noise."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import (
        BertConfig,
        BertModel,
        XLMRobertaConfig,
        XLMRobertaForQuestionAnswering,
        XLMRobertaTokenizer,
    )

    torch.manual_seed(1)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "▁"]
    pieces = [(piece, -float(n)) for n, piece in enumerate([*special, *sorted({*CHINESE, *QUESTION})])]
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    size |= {"vocab_size": len(pieces), "pad_token_id": 1}
    bert, encoder, reader = (tmp_path / name for name in ("bert", "encoder", "reader"))
    for folder in (bert, reader):
        XLMRobertaTokenizer(vocab=pieces, model_max_length=64).save_pretrained(folder)
    BertModel(BertConfig(max_position_embeddings=64, **size)).save_pretrained(bert)
    transformer = Transformer(str(bert), max_seq_length=48)
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(encoder))
    config = XLMRobertaConfig(max_position_embeddings=66, type_vocab_size=1, **size)
    XLMRobertaForQuestionAnswering(config).save_pretrained(reader)
    return encoder, reader


def test_multilingual_models_are_taken_by_path_and_read_chinese_to_the_character(
    settings: Settings, multilingual: tuple[Path, Path]
) -> None:
    encoder, reader = map(str, multilingual)
    settings = replace(settings, model=encoder, reader=reader, threshold=0)
    write(settings.sources, {"a.txt": OTHER, "b.txt": CHINESE})
    manifest = build_index(settings).manifest
    assert not manifest.english_only and manifest.runtime == "onnxruntime"
    bot = QABot.open(settings.index, settings=settings)
    answer = bot.ask(QUESTION, sources=["b.txt"])
    assert answer.text and answer.notes == ("Looked only in 1 document: b.txt.",)
    (citation,) = answer.citations
    assert bot.document("b.txt").text[citation.start : citation.end] == citation.quote
    assert citation.quote[citation.answer_start : citation.answer_end] == answer.text
    assert bot.retrieve(QUESTION, 1)[0].lexical > 0
