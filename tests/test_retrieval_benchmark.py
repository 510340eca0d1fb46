"""What of scripts/bench --retrieval could be wrong and look right: the measures, the questions."""

from contextlib import closing

import pytest

np = pytest.importorskip("numpy")

import vecstore  # noqa: E402
from benchmark import results  # noqa: E402
from benchmark.retrieval import debian, report, stdlib, wordnet  # noqa: E402
from benchmark.retrieval.corpus import (  # noqa: E402
    Corpus,
    NoTextsError,
    Question,
    mix,
    sentences,
    trim,
)
from benchmark.retrieval.measures import ndcg, recall  # noqa: E402
from benchmark.retrieval.modes import PlainKeywords, modes  # noqa: E402
from benchmark.retrieval.run import Result, measure  # noqa: E402
from benchmark.retrieval.vectors import known_vectors  # noqa: E402
from stdlib_docs import Doc  # noqa: E402


def test_ndcg_of_one_right_entry_falls_with_its_rank():
    assert ndcg(["a", "b", "c"], {"a"}) == 1
    assert ndcg(["a", "b", "c"], {"b"}) == pytest.approx(0.6309, abs=1e-4)
    assert ndcg(["a", "b", "c"], {"c"}) == 0.5
    assert ndcg(["a", "b", "c"], {"d"}) == 0
    assert ndcg([], {"d"}) == 0
    assert ndcg(list("abcdefghijk"), {"j"}) == pytest.approx(0.2891, abs=1e-4)
    assert ndcg(list("abcdefghijk"), {"k"}) == 0


def test_ndcg_of_several_right_entries_is_one_in_the_best_order():
    assert ndcg(["a", "b", "c"], {"a", "b"}) == 1
    assert ndcg(["b", "a", "c"], {"a", "b"}) == 1
    assert ndcg(["a", "c", "b"], {"a", "b"}) == pytest.approx((1 + 0.5) / (1 + 0.63093), abs=1e-4)
    assert ndcg(["a", "b"], set("abcd"), cutoff=2) == 1


def test_an_entry_that_is_found_again_counts_once():
    assert ndcg(["a", "a", "b"], {"a", "b"}) == 1
    assert recall(["a", "a"], {"a", "b"}) == 0.5


def test_recall_is_the_share_of_the_right_entries_among_the_first():
    assert recall(["x", "a", "b"], {"a", "b"}) == 1
    assert recall(["x", "a"], {"a", "b"}) == 0.5
    assert recall(list("abcdefghijk"), {"k"}) == 0
    assert recall(["a", "b"], set("abcd"), cutoff=2) == 1


def test_sentences_of_a_text():
    text = 'It reads v1.2 files, e.g. logs. It writes none! "Why?" Nobody knows.'
    assert sentences(text) == [
        "It reads v1.2 files, e.g. logs.",
        "It writes none!",
        '"Why?" Nobody knows.',
    ]
    assert sentences(" ") == []


PACKAGES = """\
Package: alpha
Description-md5: 1
Description-en: tool for logs
 It reads the logs of many servers and shows what they have in common. This package
 contains the program that does so, and all of its files, for you.
 .
 Features:
  - one with a
  - another
 .
 It needs little memory, and none at all where nothing is to be read by anyone.

Package: beta
Description-en: small window manager for X
 It places windows beside each other, and lets nobody but the keyboard move them about at all.
""".splitlines()


def test_a_package_is_asked_for_by_what_its_entry_is_without():
    packages = debian.descriptions(PACKAGES)
    assert packages["alpha"] == [
        "tool for logs",
        "It reads the logs of many servers and shows what they have in common. This package"
        " contains the program that does so, and all of its files, for you.",
        "Features:",
        "- one with a",
        "- another",
        "It needs little memory, and none at all where nothing is to be read by anyone.",
    ]
    asked = "It needs little memory, and none at all where nothing is to be read by anyone."
    places = "It places windows beside each other, and lets nobody but the keyboard move them about"
    assert debian.make_corpus(packages) == Corpus(
        {
            "alpha": "alpha: tool for logs. It reads the logs of many servers and shows what they"
            " have in common. This package contains the program that does so, and all of its"
            " files, for you. Features: - one with a - another",
            "beta": f"beta: {places} at all.",
        },
        [
            Question(asked, frozenset(["alpha"]), "sentence"),
            Question("small window manager for X", frozenset(["beta"]), "summary"),
        ],
    )


def test_what_two_packages_say_is_no_question():
    same = "Both of these packages say this in the same words, whatever they are good for."
    more = "One of them says more, in a sentence with some words that the other does not have."
    corpus = debian.make_corpus({"a": ["one", f"{same} {more}"], "b": ["two", same]})
    assert [question.text for question in corpus.questions] == [more]
    assert same in corpus.entries["a"]


WORDNET = [
    "  1 This is the licence | of it",
    "02084071 05 n 02 dog 0 domestic_dog 0 002 @ 02083346 n 0000 ~ 1 n 0000 | a member of the"
    ' genus Canis, kept by people; "the dog barked all night"; "let it in"  ',
    "02083346 05 n 02 canine 0 canid 0 000 | any of various fissiped mammals with claws  ",
    '00001 00 s 01 galore(ip) 0 000 | in great numbers; "daffodils galore"  ',
]


def test_a_meaning_is_asked_for_words_and_examples():
    corpus = wordnet.make_corpus(wordnet.read(WORDNET))
    assert corpus == Corpus(
        {
            "n02084071": "dog, domestic dog\nthe dog barked all night\nlet it in\n"
            "a kind of: canine, canid",
            "s00001": "galore\ndaffodils galore",
        },
        [
            Question(
                "a member of the genus Canis, kept by people", frozenset(["n02084071"]), "meaning"
            )
        ],
    )


def test_where_there_are_no_texts_it_says_what_brings_them(tmp_path, monkeypatch):
    with pytest.raises(NoTextsError, match=r"WordNet is not in .*: .*wordnet-base brings it"):
        wordnet.corpus(tmp_path)
    monkeypatch.setattr(debian, "HELPER", tmp_path / "apt-helper")
    with pytest.raises(NoTextsError, match="no apt"):
        debian.corpus()


def doc(name, docstring):
    return Doc(name, docstring, "function", "m.py", 1)


def test_the_standard_library_is_asked_for_descriptions_names_and_identifiers():
    docs = [
        doc("a.one", "Return the first of all things. It raises what the things raise for you."),
        doc("b.two", "Set SO_LINGER."),
        doc("a.three", "Short."),
        doc("c.two", "Short."),
    ]
    assert stdlib.make_corpus(docs) == Corpus(
        {
            "a.one": "a.one\n\nIt raises what the things raise for you.",
            "b.two": "b.two\n\nSet SO_LINGER.",
            "a.three": "a.three\n\nShort.",
            "c.two": "c.two\n\nShort.",
        },
        [
            Question("Return the first of all things.", frozenset(["a.one"]), "description"),
            Question("b.two", frozenset(["b.two"]), "name"),
            Question("a.three", frozenset(["a.three"]), "name"),
            Question("two", frozenset(["b.two", "c.two"]), "name"),
            Question("SO_LINGER", frozenset(["b.two"]), "identifier"),
        ],
    )


def numbered(count, kinds=("x",)):
    return Corpus(
        {str(number): f"text {number}" for number in range(count)},
        [
            Question(f"{kind} {number}?", frozenset([str(number)]), kind)
            for number in range(count)
            for kind in kinds
        ],
    )


def test_a_part_of_a_corpus_holds_the_answers_and_is_the_same_each_time():
    part = trim(numbered(100, ("x", "y")), entries=20, questions=6)
    assert part == trim(numbered(100, ("x", "y")), entries=20, questions=6)
    assert len(part.entries) == 20
    assert sorted(question.kind for question in part.questions) == ["x"] * 3 + ["y"] * 3
    assert all(question.right <= set(part.entries) for question in part.questions)


def test_what_a_kind_lacks_is_asked_of_the_others():
    corpus = numbered(100)
    corpus.questions.append(Question("only one", frozenset(["5"]), "rare"))
    kinds = [question.kind for question in trim(corpus, 100, 10).questions]
    assert sorted(kinds) == ["rare", *["x"] * 9]


def test_the_mixed_corpus_has_equal_shares():
    mixed = mix({"few": numbered(20), "many": numbered(100)}, entries=100, questions=10)
    assert len(mixed.entries) == 40
    assert sum(id.startswith("few/") for id in mixed.entries) == 20
    assert sorted(question.kind for question in mixed.questions) == ["few"] * 5 + ["many"] * 5
    assert all(question.right <= set(mixed.entries) for question in mixed.questions)


TEXTS = {"cat": "a cat's café", "dog": "dogs run on C++ code-paths", "fish": "fish swim"}


def test_plain_keywords_find_any_of_the_words_in_whatever_is_typed():
    with closing(PlainKeywords(TEXTS)) as keywords:
        assert keywords.search("running cafe") == ["cat", "dog"]
        assert keywords.search('"code-path" NOT (fish*') == ["fish", "dog"]
        assert keywords.search("- ++ AND") == []
        assert keywords.search("") == []


def letters(texts):
    """Embed texts by how often each letter is in them."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return np.array([[text.count(letter) for letter in alphabet] for text in texts], np.float32)


def test_each_mode_is_asked_and_its_answers_judged(tmp_path):
    corpus = Corpus(
        TEXTS,
        [
            Question("cafe", frozenset(["cat"]), "word"),
            Question("mishf", frozenset(["fish"]), "letters"),
        ],
    )
    texts = [*TEXTS.values(), "cafe", "mishf"]
    model = known_vectors("letters", letters, texts, tmp_path, print)
    again = known_vectors("letters", None, texts, tmp_path, print)
    assert again.embed("cafe") == model.embed("cafe")
    collection = vecstore.Collection("texts", tmp_path / "store.db", model=model)
    collection.embed_multi(TEXTS.items(), store=True)
    with modes(collection, TEXTS) as compared:
        found = list(measure("pets", "letters", corpus, compared))
    collection.db.close()
    judged = {(r.kind, r.mode): (r.questions, r.ndcg, r.recall) for r in found}
    assert judged == {
        (None, "similar"): (2, 1, 1),
        (None, "keywords"): (2, 0.5, 0.5),
        (None, "hybrid"): (2, 1, 1),
        (None, "FTS5 alone"): (2, 0.5, 0.5),
        ("word", "similar"): (1, 1, 1),
        ("word", "keywords"): (1, 1, 1),
        ("word", "hybrid"): (1, 1, 1),
        ("word", "FTS5 alone"): (1, 1, 1),
        ("letters", "similar"): (1, 1, 1),
        ("letters", "keywords"): (1, 0, 0),
        ("letters", "hybrid"): (1, 1, 1),
        ("letters", "FTS5 alone"): (1, 0, 0),
    }
    assert all(result.p50_ms > 0 for result in found)


def test_the_report_tells_by_how_much_hybrid_is_ahead(tmp_path):
    found = [
        Result("pets", 3, "letters", None, 2, "similar", 0.5, 0.75, 1.0),
        Result("pets", 3, "letters", None, 2, "keywords", 0.625, 0.5, 2.0),
        Result("pets", 3, "letters", None, 2, "hybrid", 0.75, 0.5, 12.0),
    ]
    assert report.markdown(found).partition("## ")[2] == (
        """pets, 3 entries, letters

2 questions

|  | nDCG@10 | recall@10 | p50, ms |
| --- | ---: | ---: | ---: |
| similar | 0.500 | 0.750 | 1.00 |
| keywords | 0.625 | 0.500 | 2.00 |
| hybrid | 0.750 (+0.125) | 0.500 (-0.250) | 12.0 |
"""
    )
    db = results.open_results(tmp_path / "results.db")
    results.table(db, "retrieval").insert_all(result._asdict() for result in found)
    db.close()


def test_a_question_has_no_signs_of_queries():
    corpus = Corpus({"a": ""}, [Question('a "b-c"  --d *e*', frozenset("a"), "x")])
    assert [question.text for question in trim(corpus, 1, 1).questions] == ["a b-c d e"]
