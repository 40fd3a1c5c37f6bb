"""One run of a model in which every call of an elementwise activation is noted; nothing is changed."""
