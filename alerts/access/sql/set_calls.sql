-- Which calls a person takes.
UPDATE access.account SET languages = %(languages)s, skills = %(skills)s WHERE name = %(name)s;
