"""One module for each family; `families.FIXTURES` is the table of all fixtures."""
