"""Makes smollm_tokens.json: token ids of awkward texts from the `tokenizers` library, as an independent reference.

    pip install tokenizers gguf
    python make_tokens.py SmolLM2-135M-Instruct.Q4_1.gguf > smollm_tokens.json

The pipeline is the one SmolLM2 was trained with: individual digits, then byte-level pieces without a prefix space.
Special tokens are not registered, so that they are read as ordinary text.
"""
import json
import sys

from gguf import GGUFReader
from tokenizers import Tokenizer, models, pre_tokenizers

fields = GGUFReader(sys.argv[1]).fields
names = fields["tokenizer.ggml.tokens"].contents()
merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
tokenizer = Tokenizer(models.BPE(vocab={name: index for index, name in enumerate(names)}, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
)
texts = [
    "", " ", "  ", "\n", "\n\n", "\t", "\t\tif (x == 1) {\n\t\t\treturn;\n\t\t}", " leading", "trailing ", "trailing   ",
    "Hello, world!", "hello world", "HELLO WORLD", "camelCaseAndPascalCase", "snake_case_name", "kebab-case-name",
    "I'm you're he's we've they'll I'd don't", "I'M YOU'RE HE'S", "'s 't 're", "rock 'n' roll's", "''''", "it''s",
    "1234567890", "3.14159", "$1,299.00", "2024-01-31T23:59:59Z", "a1b2c3", "in 2004", "in  2004", "x 5", "5 x", "5  x", "no.1", "１２３ full width", "½ cup, x² and ⅷ", "٣٤٥ عدد",
    "multiple   spaces    between     words", "line one\nline two\r\nline three", " \n \n ", "a \n b", "end of line   \n   start", "tab\tseparated\tvalues", "mixed \t \n whitespace", "non\u00a0breaking\u3000ideographic", "zero\u200bwidth\ufeff",
    "naïve café déjà vu", "cafe\u0301 combining", "Straße ÄÖÜ", "Привет, мир!", "Καλημέρα κόσμε", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก",
    "你好，世界！", "こんにちは世界", "안녕하세요 세계", "漢字とかな混じり123文",
    "😀😃😄", "👨‍👩‍👧‍👦 family", "🇩🇪 flag", "👍🏽 ok", "text😀text", "𝕬𝖇𝖈", "\u0000\u0001\u007f", "a\u0004b\u0006c \U00050000 private",
    "<|im_start|>user\nhi<|im_end|>", "<|endoftext|>", "< |im_end| >", "[INST] <<SYS>>",
    '{"label": "positive", "score": 0.95}', "https://example.com/a?b=c&d=e#f", "user@example.com", "<div class=\"x\">&nbsp;</div>", "C:\\Users\\name", "/usr/local/bin", "SELECT * FROM t WHERE a >= 10;",
    "!!!???...", "----====____", "(((nested)))", "“curly” ‘quotes’ — dash… ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "supercalifragilisticexpialidocious", "The quick brown fox jumps over the lazy dog.",
    "troubleshooting ad-2500 and ad-2600 no picture scrolling b/w.", "repost from january 13, 2004 with a better fit title.",
]
cases = [{"text": text, "tokens": tokenizer.encode(text, add_special_tokens=False).ids} for text in texts]
json.dump(cases, sys.stdout, ensure_ascii=True, indent=None, separators=(",", ":"))
sys.stdout.write("\n")
