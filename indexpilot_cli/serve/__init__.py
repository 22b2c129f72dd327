"""What the workflows find, over HTTP: JSON for programs and pages for people. Needs the extra ``serve``."""
