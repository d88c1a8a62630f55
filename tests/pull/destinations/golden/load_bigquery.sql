-- Loads the Parquet files of company into BigQuery. Written by tieout anew after each pull: run it as a whole.
-- First copy the folder into a bucket: gcloud storage rsync --recursive company gs://BUCKET/company
-- Write the names of bucket and data set for BUCKET and DATASET.

CREATE TABLE IF NOT EXISTS DATASET.`bill` (
    `key` STRING,
    `name` STRING,
    `total` BIGNUMERIC(38,2),
    `days` INT64,
    `paid` BOOL,
    `day` DATE,
    `audit__modifiedDateTime` TIMESTAMP,
    `_tieout_deleted` TIMESTAMP,
    `_tieout_synced` TIMESTAMP,
    `_tieout_version` INT64
);
ALTER TABLE DATASET.`bill`
    ADD COLUMN IF NOT EXISTS `name` STRING,
    ADD COLUMN IF NOT EXISTS `total` BIGNUMERIC(38,2),
    ADD COLUMN IF NOT EXISTS `days` INT64,
    ADD COLUMN IF NOT EXISTS `paid` BOOL,
    ADD COLUMN IF NOT EXISTS `day` DATE,
    ADD COLUMN IF NOT EXISTS `audit__modifiedDateTime` TIMESTAMP,
    ADD COLUMN IF NOT EXISTS `_tieout_deleted` TIMESTAMP,
    ADD COLUMN IF NOT EXISTS `_tieout_synced` TIMESTAMP,
    ADD COLUMN IF NOT EXISTS `_tieout_version` INT64;
LOAD DATA OVERWRITE TEMP TABLE `_tieout_load_bill` (
    `key` STRING,
    `name` STRING,
    `total` BIGNUMERIC(38,2),
    `days` INT64,
    `paid` BOOL,
    `day` DATE,
    `audit__modifiedDateTime` TIMESTAMP,
    `_tieout_deleted` TIMESTAMP,
    `_tieout_synced` TIMESTAMP,
    `_tieout_version` INT64,
    `_tieout_removed` BOOL
)
FROM FILES (
    format = 'PARQUET',
    uris = [
        'gs://BUCKET/company/bill/tieout-1.parquet',
        'gs://BUCKET/company/bill/tieout-2.parquet'
    ]
);
BEGIN TRANSACTION;
DELETE FROM DATASET.`bill` WHERE `key` NOT IN (SELECT `key` FROM (
SELECT * FROM (
    SELECT * FROM `_tieout_load_bill` WHERE true
    QUALIFY row_number() OVER (PARTITION BY `key` ORDER BY `_tieout_version` DESC) = 1
) AS l WHERE NOT `_tieout_removed`
) AS n);
MERGE INTO DATASET.`bill` AS t USING (
SELECT * FROM (
    SELECT * FROM `_tieout_load_bill` WHERE true
    QUALIFY row_number() OVER (PARTITION BY `key` ORDER BY `_tieout_version` DESC) = 1
) AS l WHERE NOT `_tieout_removed`
) AS s ON t.`key` = s.`key`
WHEN MATCHED AND (t.`_tieout_version` <> s.`_tieout_version` OR t.`_tieout_synced` <> s.`_tieout_synced`) THEN UPDATE SET
    `name` = s.`name`,
    `total` = s.`total`,
    `days` = s.`days`,
    `paid` = s.`paid`,
    `day` = s.`day`,
    `audit__modifiedDateTime` = s.`audit__modifiedDateTime`,
    `_tieout_deleted` = s.`_tieout_deleted`,
    `_tieout_synced` = s.`_tieout_synced`,
    `_tieout_version` = s.`_tieout_version`
WHEN NOT MATCHED THEN INSERT (`key`, `name`, `total`, `days`, `paid`, `day`, `audit__modifiedDateTime`, `_tieout_deleted`, `_tieout_synced`, `_tieout_version`)
    VALUES (s.`key`, s.`name`, s.`total`, s.`days`, s.`paid`, s.`day`, s.`audit__modifiedDateTime`, s.`_tieout_deleted`, s.`_tieout_synced`, s.`_tieout_version`);
COMMIT TRANSACTION;

CREATE TABLE IF NOT EXISTS DATASET.`it's empty` (
    `key` STRING,
    `it"s \`x` STRING,
    `_tieout_deleted` TIMESTAMP,
    `_tieout_synced` TIMESTAMP,
    `_tieout_version` INT64
);
ALTER TABLE DATASET.`it's empty`
    ADD COLUMN IF NOT EXISTS `it"s \`x` STRING,
    ADD COLUMN IF NOT EXISTS `_tieout_deleted` TIMESTAMP,
    ADD COLUMN IF NOT EXISTS `_tieout_synced` TIMESTAMP,
    ADD COLUMN IF NOT EXISTS `_tieout_version` INT64;
CREATE OR REPLACE TEMP TABLE `_tieout_load_it's empty` (
    `key` STRING,
    `it"s \`x` STRING,
    `_tieout_deleted` TIMESTAMP,
    `_tieout_synced` TIMESTAMP,
    `_tieout_version` INT64,
    `_tieout_removed` BOOL
);
BEGIN TRANSACTION;
DELETE FROM DATASET.`it's empty` WHERE `key` NOT IN (SELECT `key` FROM (
SELECT * FROM (
    SELECT * FROM `_tieout_load_it's empty` WHERE true
    QUALIFY row_number() OVER (PARTITION BY `key` ORDER BY `_tieout_version` DESC) = 1
) AS l WHERE NOT `_tieout_removed`
) AS n);
MERGE INTO DATASET.`it's empty` AS t USING (
SELECT * FROM (
    SELECT * FROM `_tieout_load_it's empty` WHERE true
    QUALIFY row_number() OVER (PARTITION BY `key` ORDER BY `_tieout_version` DESC) = 1
) AS l WHERE NOT `_tieout_removed`
) AS s ON t.`key` = s.`key`
WHEN MATCHED AND (t.`_tieout_version` <> s.`_tieout_version` OR t.`_tieout_synced` <> s.`_tieout_synced`) THEN UPDATE SET
    `it"s \`x` = s.`it"s \`x`,
    `_tieout_deleted` = s.`_tieout_deleted`,
    `_tieout_synced` = s.`_tieout_synced`,
    `_tieout_version` = s.`_tieout_version`
WHEN NOT MATCHED THEN INSERT (`key`, `it"s \`x`, `_tieout_deleted`, `_tieout_synced`, `_tieout_version`)
    VALUES (s.`key`, s.`it"s \`x`, s.`_tieout_deleted`, s.`_tieout_synced`, s.`_tieout_version`);
COMMIT TRANSACTION;
