"""OpenRouter's own Python SDK: models, endpoints, providers, keys, credits, generations."""

import pytest
from openrouter import errors

from conftest import CHAT_MODEL, EMBEDDING_MODEL, KEY, MANAGER, openrouter_client, user


def pages(listed):
    while listed is not None:
        yield listed
        listed = listed.next()


def test_models_come_in_pages_that_add_up(client):
    one_by_one = [model.id for page in pages(client.models.list(limit=4)) for model in page.result.data]
    at_once = [model.id for model in client.models.list(limit=1000).result.data]
    assert one_by_one == at_once
    assert len(set(at_once)) == len(at_once) > 10
    assert CHAT_MODEL in at_once and EMBEDDING_MODEL not in at_once


def test_models_are_filtered(client):
    structured = {model.id for model in client.models.list(supported_parameters="structured_outputs").result.data}
    assert CHAT_MODEL in structured and "anthropic/claude-3-haiku" not in structured
    cheap = client.models.list(sort="pricing-low-to-high").result.data
    prices = [float(model.pricing.prompt) for model in cheap]
    assert prices == sorted(prices)
    assert client.models.count().data.count == len(client.models.list(limit=1000).result.data)
    own = client.models.list_for_user(security={"bearer": KEY}).result.data
    assert {model.id for model in own} >= {CHAT_MODEL}


def test_one_model(client):
    model = client.models.get(author="openai", slug="gpt-4o-mini").data
    assert (model.id, model.context_length, model.top_provider.is_moderated) == (CHAT_MODEL, 128_000, True)
    assert {"temperature", "tools", "structured_outputs"} <= set(model.supported_parameters)
    with pytest.raises(errors.NotFoundResponseError):
        client.models.get(author="acme", slug="none")


def test_endpoints_and_providers(client):
    listed = client.endpoints.list(author="meta-llama", slug="llama-3.3-70b-instruct").data
    tags = {endpoint.tag: endpoint for endpoint in listed.endpoints}
    assert tags["deepinfra/turbo"].quantization == "fp8"
    assert tags["groq"].latency_last_30m.p50 > 0
    assert tags["groq"].supports_tool_choice.required
    slugs = {provider.slug: provider.name for provider in client.providers.list().data}
    assert all(endpoint.provider_name in slugs.values() for endpoint in listed.endpoints)
    retained = client.endpoints.list_zdr_endpoints().data
    assert retained and all(endpoint.provider_name != "OpenAI" for endpoint in retained)
    assert [model.id for model in client.embeddings.list_models().result.data] == [EMBEDDING_MODEL]


def test_the_key_shows_its_limits(client):
    before = client.api_keys.get_current_key_metadata().data
    client.chat.send(model=CHAT_MODEL, max_tokens=20, messages=user("a key that spends"))
    after = client.api_keys.get_current_key_metadata().data
    assert (after.limit, after.limit_reset, after.is_management_key) == (20, "monthly", False)
    assert after.usage > before.usage
    assert after.usage_daily == after.usage_weekly == after.usage_monthly == after.usage
    assert after.limit_remaining == pytest.approx(20 - after.usage)


def test_credits_are_for_management_keys(client, manager):
    with pytest.raises(errors.ForbiddenResponseError, match="Only management keys"):
        client.credits.get_credits()
    before = manager.credits.get_credits().data
    client.chat.send(model=CHAT_MODEL, max_tokens=20, messages=user("a question that costs"))
    after = manager.credits.get_credits().data
    assert after.total_credits == 25
    assert after.total_usage > before.total_usage
    with pytest.raises(errors.ForbiddenResponseError):
        manager.chat.send(model=CHAT_MODEL, messages=user("hi"))


def test_keys_are_made_changed_used_and_deleted(client, manager, server):
    # this call has no exception of its own for a 403
    with pytest.raises(errors.OpenRouterError) as refused:
        client.api_keys.list()
    assert refused.value.status_code == 403
    made = manager.api_keys.create(name="for a test", limit=0.5, limit_reset="daily")
    assert (made.data.name, made.data.limit, made.data.limit_remaining) == ("for a test", 0.5, 0.5)
    with openrouter_client(server.url, made.key) as own:
        own.chat.send(model=CHAT_MODEL, max_tokens=20, messages=user("hello from a new key"))
        shown = own.api_keys.get_current_key_metadata().data
        assert (shown.limit, shown.limit_reset) == (0.5, "daily")
        assert shown.effective_budget.scope == "key_limit"
        changed = manager.api_keys.update(hash=made.data.hash, disabled=True).data
        assert changed.disabled and changed.usage == pytest.approx(shown.usage)
        with pytest.raises(errors.UnauthorizedResponseError):
            own.chat.send(model=CHAT_MODEL, messages=user("hello again"))
    assert made.data.hash not in {key.hash for key in manager.api_keys.list().data}
    assert made.data.hash in {key.hash for key in manager.api_keys.list(include_disabled=True).data}
    assert manager.api_keys.get(hash=made.data.hash).data.name == "for a test"
    manager.api_keys.delete(hash=made.data.hash)
    with pytest.raises(errors.NotFoundResponseError):
        manager.api_keys.get(hash=made.data.hash)


def test_activity_is_of_days_that_are_over(client, manager):
    client.chat.send(model=CHAT_MODEL, max_tokens=20, messages=user("today"))
    assert manager.analytics.get_user_activity().data == []
    with pytest.raises(errors.ForbiddenResponseError):
        client.analytics.get_user_activity()


def test_a_generation_is_not_there_at_once(start):
    with openrouter_client(start("generation_delay_ms = 3600000").url) as client:
        answer = client.chat.send(model=CHAT_MODEL, max_tokens=50, messages=user("what will be looked up"))
        with pytest.raises(errors.NotFoundResponseError):
            client.generations.get_generation(id=answer.id)


def first_found(look_up):
    """Looks up again and again; each look is a request, which takes its time, so that nothing has to sleep in between."""
    for _ in range(20_000):
        try:
            return look_up()
        except errors.NotFoundResponseError:
            continue
    pytest.fail("it never came")


def test_a_generation_comes_after_some_time(client):
    answer = client.chat.send(model=CHAT_MODEL, max_tokens=50, messages=user("what will be looked up"))
    found = first_found(lambda: client.generations.get_generation(id=answer.id).data)
    assert found.total_cost == pytest.approx(answer.usage.cost)
    assert found.provider_name in ("OpenAI", "Azure")
    assert (found.native_tokens_prompt, found.native_tokens_completion) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    content = client.generations.list_generation_content(id=answer.id).data
    assert content.output.completion == answer.choices[0].message.content


def test_wrong_keys(server):
    with openrouter_client(server.url, "sk-someone-else") as stranger:
        with pytest.raises(errors.UnauthorizedResponseError, match="User not found"):
            stranger.chat.send(model=CHAT_MODEL, messages=user("hi"))
    with openrouter_client(server.url, None) as nobody:
        with pytest.raises(errors.UnauthorizedResponseError, match="Missing Authentication header"):
            nobody.chat.send(model=CHAT_MODEL, messages=user("hi"))
        assert nobody.models.list().result.data


def test_no_key_is_ever_shown(server):
    text = str(server.seen())
    assert KEY not in text and MANAGER not in text
