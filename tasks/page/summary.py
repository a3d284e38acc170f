"""What a report says in a few lines of markdown: `# NAME`, a paragraph with the verdict, and what it rests on."""


def headline(text: str) -> str:
    """The first paragraph, in one line; "" where there is none."""
    for paragraph in text.split("\n\n"):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip() and not line.startswith("#")]
        if lines:
            return "" if lines[0].startswith(("*", "-")) else " ".join(lines)
    return ""
