"""Tools shared by every fixture: folders, weights, tokenizers, pictures, the course of a language model."""
