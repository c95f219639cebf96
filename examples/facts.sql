-- Facts out of free text, as columns.
SELECT text, facts['product'] AS product, facts['problem'] AS problem
FROM (SELECT text, semantic_extract(text, 'product string? ''the product or part spoken of'', problem string? ''what is wrong with it, if anything''') AS facts
      FROM 'examples/reviews.csv'
      WHERE sentiment < -1 AND length(text) > 60
      LIMIT 8)
