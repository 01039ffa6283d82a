-- made from the other dataset, so that both are of one moment whatever came in between
SELECT batch, count(*)::integer AS size, (sum(count(*)) OVER ())::integer AS all_entries
FROM output.entries
GROUP BY batch
