-- Of a table that is absent the answer is NULL.
SELECT
    w.role,
    w.relation,
    w.privilege,
    has_table_privilege(w.role, to_regclass(w.relation), w.privilege)
FROM unnest(%(roles)s::text [], %(relations)s::text [], %(privileges)s::text []) AS w (role, relation, privilege)
