"""Chat templates and snippets with what Jinja renders for them, in the environment of transformers.

Writes test/fixtures/text/templates.json. Run by oracle/text.py.
"""

import json

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """{% generation %}: renders its body and notes where it lies in the text (top level only)."""

    tags = {"generation"}
    spans = []
    blocks = []

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("note"), [], [], body).set_lineno(line)

    def note(self, caller):
        text = caller()
        start = len("".join(Generation.blocks))
        Generation.spans.append([start, start + len(text)])
        return text


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


USER = {"role": "user", "content": "What is in the picture? "}
ANSWER = {"role": "assistant", "content": ' A cat, "asleep".\n'}
SYSTEM = {"role": "system", "content": "Be brief."}
IMAGE = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}
IMAGE_ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "A red ball."}]}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Köln", "<b>&'"]}},
            "required": ["city"],
        },
    },
}

LLAMA3 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

CHATML = """{% for message in messages %}
{% if loop.first and message.role != 'system' %}
<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}
<|im_start|>{{ message.role }}
{% if message.role == 'assistant' %}{% generation %}{{ message.content | trim }}<|im_end|>
{% endgeneration %}{% else %}{{ message.content }}<|im_end|>
{% endif %}
{% endfor %}
{% if add_generation_prompt %}
<|im_start|>assistant
{% endif %}"""

LLAVA = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

SMOLVLM = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' %}"
    "{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

JANUS = """{%- set ns = namespace(images=0, text='') -%}
{%- macro part(content) -%}
{%- if content is string -%}{{ content }}
{%- else -%}
{%- for item in content -%}
{%- if item.type == 'image' -%}
{%- set ns.images = ns.images + 1 -%}<image_placeholder>
{% else -%}{{ item.text }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{{ '<|User|>' if message.role == 'user' else '<|Assistant|>' }}: {{ part(message.content) }}

{% endfor -%}
{%- if add_generation_prompt -%}<|Assistant|>:{%- endif -%}
{#- images: never shown -#}
{%- if ns.images > 1 %} [{{ ns.images }} pictures]{% endif -%}"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- else %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- endif %}
{%- endfor %}
"""

CHATS = [
    ("llama 3", LLAMA3, [SYSTEM, USER, ANSWER, USER]),
    (
        "llama 3",
        LLAMA3,
        [
            USER,
            {
                "role": "assistant",
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1, "b": [True, None, 1.5]}}}],
            },
            {"role": "tool", "content": "21 °C"},
        ],
    ),
    ("chatml", CHATML, [USER, ANSWER]),
    ("chatml", CHATML, [SYSTEM, USER, ANSWER, USER, ANSWER]),
    ("llava", LLAVA, [IMAGE, IMAGE_ANSWER, IMAGE]),
    ("smolvlm", SMOLVLM, [IMAGE, IMAGE_ANSWER]),
    ("janus", JANUS, [IMAGE, IMAGE_ANSWER, IMAGE]),
    ("janus", JANUS, [USER, ANSWER]),
    ("mistral", MISTRAL, [SYSTEM, USER, ANSWER, USER]),
    ("mistral", MISTRAL, [USER, USER]),
]

# Each is rendered with the names of NAMES.
SNIPPETS = r"""
{{ 1 }} {{ 1.0 }} {{ 1.5 }} {{ -2 }} {{ 1e20 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 123456789012345.0 }} {{ 1e16 }} {{ 0.0001 }} {{ 2.50 }}
{{ 7 / 2 }} {{ 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ 2 ** 3 ** 2 }}
{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ -2 ** 2 }} {{ - 3 | abs }} {{ 5 - 3 - 1 }} {{ 2 * 3 % 4 }}
{{ true }} {{ False }} {{ none }} {{ None is none }} {{ True + 1 }} {{ not true }} {{ not not 1 }}
{{ 1 ~ 'a' ~ 2.0 ~ none ~ nothing }} {{ 'a' + 'b' * 3 }} {{ [1] + [2] }} {{ [0] * 3 }} {{ (1,) + (2,) }}
{{ [1, 'two', 3.0, none, true, [4], (5,), (6, 7), {'k': 'v', 1: 2}] }} {{ {} }} {{ [] }} {{ () }}
{{ 'it''s' }} {{ "say \"hi\"" }} {{ ['it\'s', 'say "hi"', 'both \' and "', 'line\nfeed', 'tab\t', 'back\\slash', 'é☃😀'] }}
{{ '\x41\u00e9\U0001F600\101\q' }} {{ 'a' 'b' "c" }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 1 == 1.0 }} {{ 'a' == 'a' != 'b' }} {{ true == 1 }}
{{ 1 in [1, 2] }} {{ 'ell' in 'hello' }} {{ 'k' in {'k': 1} }} {{ 3 not in [1, 2] }} {{ 'x' in nothing }} {{ not 1 in [1] }}
{{ 1 if true else 2 }} {{ 1 if false else 2 }} {{ 1 if false }} {{ 'a' if 0 else 'b' if 0 else 'c' }} {{ nothing or 'default' }} {{ 0 or '' or 'x' }} {{ 1 and 2 }}
{{ word[0] }} {{ word[-1] }} {{ word[1:3] }} {{ word[::-1] }} {{ word[:-1] }} {{ word[5:] }} {{ numbers[1:] }} {{ numbers[::2] }} {{ numbers[-2:] }} {{ numbers[10] is defined }}
{{ emoji[0] }} {{ emoji | length }} {{ emoji[1:] }} {{ emoji[::-1] }} {{ emoji | list }}
{{ user.name }} {{ user['name'] }} {{ user.missing is defined }} {{ user.get('name') }} {{ user.get('x') }} {{ user.get('x', 'y') }} {{ user.items() | list }} {{ user.keys() | list }} {{ user.values() | list }}
{% for k, v in user.items() %}{{ k }}={{ v }};{% endfor %} {% for k in user %}{{ k }},{% endfor %} {% for c in 'abc' %}{{ c }}{% endfor %}
{% for n in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for n in numbers if n is odd %}{{ n }}/{{ loop.length }} {% else %}none{% endfor %} {% for n in [] %}x{% else %}empty{% endfor %}
{% for n in numbers %}{% if n == 2 %}{% continue %}{% endif %}{% if n == 4 %}{% break %}{% endif %}{{ n }}{% endfor %}
{% for n in numbers %}{{ loop.previtem is defined }}{{ loop.nextitem | default('-') }}{{ loop.cycle('a', 'b') }}{{ loop.changed(n // 3) }} {% endfor %}
{% for a, (b, c) in [(1, (2, 3)), (4, (5, 6))] %}{{ a }}{{ b }}{{ c }} {% endfor %} {% for row in [[1, 2], [3]] %}{% for x in row %}{{ x }}{{ loop.index }} {% endfor %}{% endfor %}
{% for node in tree recursive %}{{ node.n }}{{ loop.depth }}{% if node.c %}[{{ loop(node.c) }}]{% endif %}{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }} {% if true %}{% set x = 9 %}{% endif %}{{ x }} {% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set ns = namespace(n=0) %}{% for i in numbers %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }} {% set t %}block {{ word }}{% endset %}[{{ t }}] {% set u | upper | trim %} shout {% endset %}[{{ u }}]
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }} {% filter upper %}loud {{ word }}{% endfilter %}
{% macro m(a, b=2, c='x') %}<{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}>{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='z') }}{{ m(b=5, a=4) }}{{ m(1, 2, 3, 4, k=5) }}{{ m() }}
{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}bold {{ word }}{% endcall %}
{% macro each(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) each([1, 2]) %}({{ x }}){% endcall %}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * fact(n - 1) | int }}{% endif %}{% endmacro %}{{ fact(6) }}
{{ range(5) | list }} {{ range(2, 5) | list }} {{ range(10, 0, -3) | list }} {{ range(0) | list }} {{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }}
{{ '  x '.strip() }}|{{ '  x '.lstrip() }}|{{ '  x '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a b c d'.split(' ', 1) }}|{{ 'a b c d'.rsplit(None, 1) }}|{{ 'a  b  c'.split(None, 1) }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'AbC'.lower() }} {{ 'AbC'.upper() }} {{ 'hello world'.title() }} {{ 'hELLO'.capitalize() }} {{ 'aXbXc'.replace('X', '-') }} {{ 'aXbXc'.replace('X', '-', 1) }} {{ 'abc'.find('c') }} {{ 'abc'.find('z') }} {{ 'abcabc'.rfind('b') }} {{ 'banana'.count('an') }}
{{ ','.join(['a', 'b']) }} {{ '7'.zfill(3) }} {{ 'x'.ljust(3) }}| {{ 'x'.rjust(3, '.') }} {{ 'x'.center(4, '*') }} {{ 'x'.center(5, '*') }} {{ 'ab'.center(5, '*') }} {{ '12'.isdigit() }} {{ 'ab1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ 'a\nb\r\nc'.splitlines() }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }}
{{ ' Trim me ' | trim }}| {{ 'xXx' | upper }} {{ 'xXx' | lower }} {{ 'hello WORLD' | capitalize }} {{ "they're bill's friends-2nd" | title }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'abc' | reverse }} {{ 'abc' | first }} {{ 'abc' | last }} {{ 'abc' | length }} {{ 'x' | center(5) }}|
{{ numbers | join(', ') }} {{ users | join('/', attribute='name') }} {{ numbers | sum }} {{ users | sum(attribute='age') }} {{ numbers | max }} {{ numbers | min }} {{ numbers | first }} {{ numbers | last }} {{ numbers | reverse | list }} {{ numbers | length }} {{ [] | first is defined }} {{ [1.5, 2] | sum }}
{{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ numbers | sort(reverse=true) }} {{ users | sort(attribute='age') | map(attribute='name') | list }} {{ ['b', 'a', 'B', 'b'] | unique | list }} {{ {'b': 1, 'a': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'a': 1} | items | list }}
{{ users | map(attribute='name') | map('upper') | join(' ') }} {{ users | map(attribute='x', default='?') | list }} {{ numbers | select('odd') | list }} {{ numbers | reject('odd') | list }} {{ users | selectattr('admin') | map(attribute='name') | list }} {{ users | rejectattr('admin') | map(attribute='name') | list }} {{ users | selectattr('age', '>', 30) | map(attribute='name') | list }} {{ [0, 1, ''] | select | list }} {{ users | selectattr('name', 'in', ['Ann']) | list | length }}
{{ numbers | batch(2) | list }} {{ numbers | batch(3, '-') | list }} {{ numbers | slice(2) | list }} {{ numbers | slice(3, '-') | list }} {% for g, xs in users | groupby('admin') %}{{ g }}:{{ xs | map(attribute='name') | join(',') }} {% endfor %}
{{ user | tojson }} {{ [1, 1.0, none, true, 'ü"<&>\n', {'a': [], 'b': {}}] | tojson }} {{ {'b': [1, 2], 'a': {'c': none}} | tojson(indent=2) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ 'ü' | tojson(ensure_ascii=true) }} {{ (1, 2) | tojson }} {{ {1: 2, none: 3, true: 4} | tojson }} {{ [] | tojson(indent=1) }}
{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.9 | int }} {{ '3.7' | int }} {{ 'ff' | int(base=16) }} {{ '1.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ 42 | string }} {{ -3 | abs }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 42.55 | round(1) }} {{ 42.1 | round(method='ceil') }} {{ 42.9 | round(0, 'floor') }} {{ 'abc' | list }}
{{ nothing | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ none | default('d') }} {{ false | d('x', boolean=true) }} {{ nothing | length }} {{ nothing }}| {{ nothing | list }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('> ') }}|{{ 'foo bar baz qux' | truncate(9) }}|{{ 'foo bar baz qux' | truncate(11, true) }}|{{ 'foo bar' | truncate(255) }}|{{ 'hi there you' | wordcount }}|{{ '<a href="x">&\'' | escape }}|{{ '%s-%d-%5.2f-%%' | format('a', 3, 2.5) }}|{{ '%03d' % 7 }}|{{ '%s %s' % ('a', 'b') }}
{{ 1 is number }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is integer }} {{ true is boolean }} {{ 'x' is string }} {{ [] is sequence }} {{ {} is mapping }} {{ {} is iterable }} {{ 1 is iterable }} {{ none is none }} {{ nothing is undefined }} {{ nothing is not defined }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(4) }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 2 is gt 1 }} {{ 1 is in [1] }} {{ 'x' is in 'xyz' }} {{ 'ABC' is upper }} {{ 'abc' is lower }} {{ 1 is sameas 1 }} {{ true is true }} {{ range is callable }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ 1 is not odd and 2 is even }} {{ (1, 2) is sequence }}
a {% if true %} b {% endif %} c
  {% if true %}
    indented
  {% endif %}
x {%- if true -%} y {%- endif -%} z {{- ' t ' -}} u {#- comment -#} v
  {#  comment line  #}
text   {# c #}   {%+ if true %} plus {% endif +%}
{% raw %}{{ not }} {% rendered %}{% endraw %} {%- raw -%}  {{ x }}  {%- endraw -%} end
{{ "}}" }} {{ '{%' }} {{ {'a': {'b': 1}}['a']['b'] }} {{ {'a': 1}}}
{{ [1, 2, 3][0] }} {{ (1, 2)[1] }} {{ [[1, 2], [3]][0][1] }} {{ user.tags[0].upper() }} {{ [user][0].name | upper ~ '!' }} {{ ('a' ~ 'b') | upper }} {{ 'a' ~ 'b' | upper }}
{% if nothing is defined and nothing.x %}a{% elif word == 'hello' %}b{% else %}c{% endif %} {{ messages[0].content if messages[0] is mapping else 'no' }} {{ numbers[0] == 1 and word }}
{{ [1, 2,] }} {{ {'a': 1,} }} {{ (1) }} {{ (1,) }} {{ [(1), (2,)] }} {{ user['na' ~ 'me'] }} {{ users[1].name }} {{ users[0]['tags'] | length }}
{% generation %}out{% endgeneration %} in {% generation %}{{ word }} é{% endgeneration %}
{{ word if word is string and word | length > 3 else '' }} {{ numbers | map('string') | join('') }} {{ [['a', 1], ['b', 2]] | map('first') | list }} {{ [[1, 2], [3]] | map('sum') | list }} {{ [[1,2],[3]] | sum(start=[]) }}
{{ 'x' | attr('upper') is defined }} {{ namespace(a=1).a }} {{ 10 | string | length }} {{ '1,2' .split(',') | map('int') | sum }} {{ 'A' == 'a' | upper }}
{{ word.nope is defined }} {{ nothing is none }} {{ 1_000 }} {{ 0x10 }}
"""

FAULTY = [
    "{% if %}",
    "{% for x %}{% endfor %}",
    "{{ 1 + }}",
    "{% endif %}",
    "{% if true %}",
    "{{ nothing.x }}",
    "{{ nothing() }}",
    "{{ nothing + 'a' }}",
    "{{ 'a' + 1 }}",
    "{{ 1 / 0 }}",
    "{{ word | nofilter }}",
    "{{ word is notest }}",
    "{{ raise_exception('told so') }}",
    "{{ [1, 'a'] | sort }}",
    "{{ {[1]: 2} }}",
    "{% set user.name = 1 %}",
    "{{ numbers.append(1) }}",
    "{{ 5() }}",
    "{% set a, b = [1] %}",
    "{{ 'a' < 1 }}",
    "{% unknown %}",
    "{{ [1] | map | list }}",
    "{{ 'unclosed }}",
    "{# unclosed",
    "{{ (1, 2 }}",
    "{{ range(1, 2, 0) }}",
]

NAMES = {
    "word": "hello",
    "emoji": "😀é👍🏽",
    "numbers": [1, 2, 3, 4, 5],
    "user": {"name": "Ann", "age": 31, "tags": ["x", "y"]},
    "users": [
        {"name": "Ann", "age": 31, "admin": True, "tags": ["x"]},
        {"name": "bob", "age": 25, "admin": False, "tags": []},
        {"name": "Cid", "age": 40, "admin": True, "tags": []},
    ],
    "tree": [{"n": 1, "c": [{"n": 2}, {"n": 3, "c": [{"n": 4}]}]}, {"n": 5}],
}


def render(template, names):
    Generation.spans, Generation.blocks = [], []
    for block in environment().from_string(template).generate(**names):
        Generation.blocks.append(block)
    text = "".join(Generation.blocks)
    # Offsets in UTF-16 units, as JavaScript counts.
    units = lambda at: len(text[:at].encode("utf-16-le")) // 2
    return {"text": text, "generated": [[units(a), units(b)] for a, b in Generation.spans]}


def attempt(template, names):
    try:
        return render(template, names)
    except (jinja2.exceptions.TemplateError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        return {"error": str(error)}


def templates():
    chats = []
    for name, template, messages in CHATS:
        for add in (False, True):
            for tools in (None, [TOOL]):
                names = {
                    "messages": messages,
                    "tools": tools,
                    "add_generation_prompt": add,
                    "bos_token": "<s>",
                    "eos_token": "</s>",
                }
                chats.append(
                    {"name": name, "messages": messages, "tools": tools, "add": add, **attempt(template, names)}
                )
    snippets = []
    for template in SNIPPETS.strip("\n").split("\n") + [
        "  {% if true %}\n    indented\n  {% endif %}\nnext\n",
        "a\n\n{% set x = 1 %}\n\nb\n\n",
        "{% for i in [1, 2] %}\n  - {{ i }}\n{% endfor %}\n",
        " {{ 1 }}\n {# c #}\n {% raw %} x\n{% endraw %}\n.",
        "\r\na\rb {% if 1 %}\r\nc{% endif %}",
    ]:
        names = {"messages": [USER], "add_generation_prompt": False, **NAMES}
        snippets.append({"template": template, **attempt(template, names)})
    faulty = [{"template": template, **attempt(template, {"messages": [USER], **NAMES})} for template in FAULTY]
    return {
        "templates": {name: template for name, template, _ in CHATS},
        "chats": chats,
        "names": NAMES,
        "user": USER,
        "snippets": snippets,
        "faulty": faulty,
    }
