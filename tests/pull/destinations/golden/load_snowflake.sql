-- Loads the Parquet files of company into Snowflake. Written by tieout anew after each pull: run it as a whole, in the
-- database and schema the tables belong to. First the files have to be on the stage @tieout, in folders as here: copy
-- company into a bucket, and make a stage of its URL: CREATE STAGE tieout URL = '...' STORAGE_INTEGRATION = ...;

CREATE TABLE IF NOT EXISTS "bill" (
    "key" VARCHAR,
    "name" VARCHAR,
    "total" NUMBER(38,2),
    "days" NUMBER(38,0),
    "paid" BOOLEAN,
    "day" DATE,
    "audit__modifiedDateTime" TIMESTAMP_TZ,
    "_tieout_deleted" TIMESTAMP_TZ,
    "_tieout_synced" TIMESTAMP_TZ,
    "_tieout_version" NUMBER(38,0)
);
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "name" VARCHAR;
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "total" NUMBER(38,2);
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "days" NUMBER(38,0);
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "paid" BOOLEAN;
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "day" DATE;
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "audit__modifiedDateTime" TIMESTAMP_TZ;
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "_tieout_deleted" TIMESTAMP_TZ;
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "_tieout_synced" TIMESTAMP_TZ;
ALTER TABLE "bill" ADD COLUMN IF NOT EXISTS "_tieout_version" NUMBER(38,0);
CREATE OR REPLACE TEMPORARY TABLE "_tieout_load bill" (
    "key" VARCHAR,
    "name" VARCHAR,
    "total" NUMBER(38,2),
    "days" NUMBER(38,0),
    "paid" BOOLEAN,
    "day" DATE,
    "audit__modifiedDateTime" TIMESTAMP_TZ,
    "_tieout_deleted" TIMESTAMP_TZ,
    "_tieout_synced" TIMESTAMP_TZ,
    "_tieout_version" NUMBER(38,0),
    "_tieout_removed" BOOLEAN
);
COPY INTO "_tieout_load bill" FROM @tieout
    FILES = (
        'bill/tieout-1.parquet',
        'bill/tieout-2.parquet'
    )
    FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) MATCH_BY_COLUMN_NAME = CASE_SENSITIVE;
BEGIN;
DELETE FROM "bill" WHERE "key" NOT IN (SELECT "key" FROM (
SELECT * FROM (
    SELECT * FROM "_tieout_load bill" WHERE true
    QUALIFY row_number() OVER (PARTITION BY "key" ORDER BY "_tieout_version" DESC) = 1
) AS l WHERE NOT "_tieout_removed"
) AS n);
MERGE INTO "bill" AS t USING (
SELECT * FROM (
    SELECT * FROM "_tieout_load bill" WHERE true
    QUALIFY row_number() OVER (PARTITION BY "key" ORDER BY "_tieout_version" DESC) = 1
) AS l WHERE NOT "_tieout_removed"
) AS s ON t."key" = s."key"
WHEN MATCHED AND (t."_tieout_version" <> s."_tieout_version" OR t."_tieout_synced" <> s."_tieout_synced") THEN UPDATE SET
    "name" = s."name",
    "total" = s."total",
    "days" = s."days",
    "paid" = s."paid",
    "day" = s."day",
    "audit__modifiedDateTime" = s."audit__modifiedDateTime",
    "_tieout_deleted" = s."_tieout_deleted",
    "_tieout_synced" = s."_tieout_synced",
    "_tieout_version" = s."_tieout_version"
WHEN NOT MATCHED THEN INSERT ("key", "name", "total", "days", "paid", "day", "audit__modifiedDateTime", "_tieout_deleted", "_tieout_synced", "_tieout_version")
    VALUES (s."key", s."name", s."total", s."days", s."paid", s."day", s."audit__modifiedDateTime", s."_tieout_deleted", s."_tieout_synced", s."_tieout_version");
COMMIT;

CREATE TABLE IF NOT EXISTS "it's empty" (
    "key" VARCHAR,
    "it""s `x" VARCHAR,
    "_tieout_deleted" TIMESTAMP_TZ,
    "_tieout_synced" TIMESTAMP_TZ,
    "_tieout_version" NUMBER(38,0)
);
ALTER TABLE "it's empty" ADD COLUMN IF NOT EXISTS "it""s `x" VARCHAR;
ALTER TABLE "it's empty" ADD COLUMN IF NOT EXISTS "_tieout_deleted" TIMESTAMP_TZ;
ALTER TABLE "it's empty" ADD COLUMN IF NOT EXISTS "_tieout_synced" TIMESTAMP_TZ;
ALTER TABLE "it's empty" ADD COLUMN IF NOT EXISTS "_tieout_version" NUMBER(38,0);
CREATE OR REPLACE TEMPORARY TABLE "_tieout_load it's empty" (
    "key" VARCHAR,
    "it""s `x" VARCHAR,
    "_tieout_deleted" TIMESTAMP_TZ,
    "_tieout_synced" TIMESTAMP_TZ,
    "_tieout_version" NUMBER(38,0),
    "_tieout_removed" BOOLEAN
);
BEGIN;
DELETE FROM "it's empty" WHERE "key" NOT IN (SELECT "key" FROM (
SELECT * FROM (
    SELECT * FROM "_tieout_load it's empty" WHERE true
    QUALIFY row_number() OVER (PARTITION BY "key" ORDER BY "_tieout_version" DESC) = 1
) AS l WHERE NOT "_tieout_removed"
) AS n);
MERGE INTO "it's empty" AS t USING (
SELECT * FROM (
    SELECT * FROM "_tieout_load it's empty" WHERE true
    QUALIFY row_number() OVER (PARTITION BY "key" ORDER BY "_tieout_version" DESC) = 1
) AS l WHERE NOT "_tieout_removed"
) AS s ON t."key" = s."key"
WHEN MATCHED AND (t."_tieout_version" <> s."_tieout_version" OR t."_tieout_synced" <> s."_tieout_synced") THEN UPDATE SET
    "it""s `x" = s."it""s `x",
    "_tieout_deleted" = s."_tieout_deleted",
    "_tieout_synced" = s."_tieout_synced",
    "_tieout_version" = s."_tieout_version"
WHEN NOT MATCHED THEN INSERT ("key", "it""s `x", "_tieout_deleted", "_tieout_synced", "_tieout_version")
    VALUES (s."key", s."it""s `x", s."_tieout_deleted", s."_tieout_synced", s."_tieout_version");
COMMIT;
