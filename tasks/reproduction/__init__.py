"""What a study of the literature claims, beside what is found here: the protocol, and the page."""
