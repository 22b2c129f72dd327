"""Which of two variants is better?"""
