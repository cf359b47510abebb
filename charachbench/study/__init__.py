"""Human studies: a page that raters are given, and what their answers say."""
