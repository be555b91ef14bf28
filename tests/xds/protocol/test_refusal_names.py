"""Which names are found in the text of a NACK (rule 5)."""

import pytest

from xds.protocol.refusal import named_in

CA = "Failed to load trusted CA certificates from <inline>"


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        (f"Error adding/updating cluster(s) web: {CA}", ("web", "shop"), ("web",)),
        (f"Error adding/updating cluster(s) web: {CA}, shop: {CA}", ("api", "shop", "web"), ("shop", "web")),
        (
            "Error adding/updating listener(s) web: 'web' has duplicate address '0.0.0.0:80' as 'api'\nshop: no\n",
            ("web", "shop", "api", "listener", "0.0.0.0:80"),
            ("web", "shop"),
        ),
        (f"Error adding/updating cluster(s) a: {CA}", ("trusted", "CA", "load", "cluster", "a"), ("a",)),
        ("Error adding/updating cluster(s) a: b is bad, c, b: no", ("a", "b", "c"), ("a", "b")),
        ("Error adding/updating cluster(s) ns-web.v1-ep-0-port-80-TCP: no", ("ns-web.v1-ep-0-port-80-TCP",), None),
        ("Error adding/updating cluster(s) outbound|443||web: no", ("outbound|443||web", "web"), ("outbound|443||web",)),
        ("Error adding/updating cluster(s) host:80: no", ("host", "host:80", "80"), ("host:80",)),
        ("duplicate cluster web found", ("web", "shop"), ("web",)),
        ("Unexpected EDS cluster (expecting web): shop", ("web", "shop"), ("web", "shop")),
        ("refused: web.", ("web",), None),
        ("web", ("web",), None),
        ('name: "web"', ("web",), None),
        ("[web,shop]", ("web", "shop"), None),
        ("{'web'; `shop`}", ("web", "shop"), None),
        ("(web)", ("web",), None),
        ("a resource is bad", ("b", "bad-one"), ()),
        ("", ("web",), ()),
    ],
)  # fmt: skip
def test_rule_05_names_are_found_in_texts(
    text: str, names: tuple[str, ...], found: tuple[str, ...] | None
) -> None:
    """Envoy's lists are read as lists, other texts as words; ``None`` here means that all of the names are found."""
    assert named_in(text, names) == (names if found is None else found)


@pytest.mark.parametrize(
    "text", ["Error adding/updating cluster(s) {}: no", "cluster {} is refused", "'{}'", "{}\n"]
)
@pytest.mark.parametrize(
    "named", ["web", "web-1", "my-web", "web.v1", "my/web", "web:80", "web_1", "xdstp://a/web", "1"]
)
def test_rule_05_a_name_inside_a_longer_one_is_not_named(text: str, named: str) -> None:
    """Names that begin or end like the one in the text are not taken for it."""
    names = [
        "web",
        "web-1",
        "my-web",
        "web.v1",
        "my/web",
        "web:80",
        "web_1",
        "xdstp://a/web",
        "1",
        "my",
        "v1",
        "80",
    ]
    assert named_in(text.format(named), names) == (named,)


def test_rule_05_a_name_that_envoy_cut_is_not_taken_for_a_shorter_one() -> None:
    """Envoy ends a text after 4,096 characters: what is left of the last name is no name."""
    names = ("web-1", "web-12", "web-123")
    assert named_in("Error adding/updating cluster(s) web-12: no, web-1...(truncated)", names) == ("web-12",)
    assert named_in("refused web-12 and web-1...(truncated)", names) == ("web-12",)


def test_rule_05_each_name_is_found_once() -> None:
    """A name that the text holds twice, or that is asked for twice, is one name."""
    assert named_in("Error adding/updating cluster(s) web: duplicate cluster web found", ["web", "web"]) == (
        "web",
    )
