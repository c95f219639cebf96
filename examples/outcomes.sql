-- What became of each row.
SELECT text, o['value'] AS answer, o['error_kind'] AS error_kind, o['attempts'] AS attempts, o['cost'] AS cost, o['model'] AS model
FROM (SELECT text, outcome(semantic_predicate('Is this about the battery? {{ text }}', text)) AS o
      FROM 'examples/reviews.csv'
      LIMIT 10)
