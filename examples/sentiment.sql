-- What people said of each review beside what the model says.
SELECT text,
       CASE WHEN sentiment > 0.5 THEN 'positive' WHEN sentiment < -0.5 THEN 'negative' ELSE 'neutral' END AS people,
       semantic_classify(text, ['positive', 'negative', 'neutral']) AS model
FROM 'examples/reviews.csv'
LIMIT 20
