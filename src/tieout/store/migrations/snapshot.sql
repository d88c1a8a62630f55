-- 0021
--
CREATE TABLE tieout_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT tieout_version_pkc PRIMARY KEY (version_num)
)
--
CREATE TABLE meta (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY (name)
)
--
CREATE TABLE learnt_fields (
	environment VARCHAR(1024) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	object VARCHAR(255) NOT NULL, 
	field VARCHAR(512) NOT NULL, 
	reason TEXT NOT NULL, 
	learnt_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_learnt_fields PRIMARY KEY (environment, company, object, field)
)
--
CREATE TABLE models (
	environment VARCHAR(1024) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	object VARCHAR(255) NOT NULL, 
	definition BLOB NOT NULL, 
	fetched_at DOUBLE NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (environment, company, object)
)
--
CREATE TABLE leases (
	name VARCHAR(1024) NOT NULL, 
	holder VARCHAR(36) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	since VARCHAR(32) NOT NULL, 
	heard_at DOUBLE NOT NULL, process VARCHAR(255), 
	CONSTRAINT pk_leases PRIMARY KEY (name)
)
--
CREATE TABLE push_records (
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	operation VARCHAR(32) NOT NULL, 
	step INTEGER NOT NULL, 
	source_id VARCHAR(1024) NOT NULL, 
	payload_hash VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	batch_id VARCHAR(36), 
	position INTEGER, 
	rows TEXT NOT NULL, 
	totals TEXT NOT NULL, 
	sage_key VARCHAR(255), 
	sage_id VARCHAR(1024), 
	href VARCHAR(1024), 
	sage_state VARCHAR(64), 
	error TEXT, 
	attempt INTEGER NOT NULL, 
	updated_at VARCHAR(32) NOT NULL, 
	run_id VARCHAR(36) NOT NULL, dismissed_at VARCHAR(32), gone_at VARCHAR(32), facts TEXT, page VARCHAR(1024), 
	CONSTRAINT pk_push_records PRIMARY KEY (company, environment, entity, push, operation, step, source_id), 
	CONSTRAINT ck_push_records_ck_push_records_state CHECK (state in ('pending', 'sending', 'posted', 'failed', 'unprocessed', 'unknown', 'held'))
)
--
CREATE INDEX ix_push_records_batch_id_position ON push_records (batch_id, position)
--
CREATE TABLE push_entries (
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	entry_id VARCHAR(1024) NOT NULL, 
	source_id VARCHAR(1024) NOT NULL, 
	CONSTRAINT pk_push_entries PRIMARY KEY (company, environment, entity, push, entry_id)
)
--
CREATE INDEX ix_push_entries_source_id ON push_entries (source_id)
--
CREATE TABLE push_batches (
	id VARCHAR(36) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	object VARCHAR(255) NOT NULL, 
	method VARCHAR(8) NOT NULL, 
	path VARCHAR(1024) NOT NULL, 
	body_sealed BLOB, 
	idempotency_key VARCHAR(256) NOT NULL, 
	epoch INTEGER NOT NULL, 
	record_count INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	note TEXT, 
	created_at VARCHAR(32) NOT NULL, 
	sent_at VARCHAR(32), 
	resolved_at VARCHAR(32), 
	run_id VARCHAR(36) NOT NULL, operation VARCHAR(32) DEFAULT 'create' NOT NULL, step INTEGER DEFAULT '0' NOT NULL, atomic BOOLEAN DEFAULT 0 NOT NULL, keys TEXT, records BLOB, outcomes BLOB, 
	CONSTRAINT pk_push_batches PRIMARY KEY (id), 
	CONSTRAINT ck_push_batches_ck_push_batches_state CHECK (state in ('open', 'resolved'))
)
--
CREATE INDEX ix_push_batches_push_state ON push_batches (push, state)
--
CREATE TABLE push_runs (
	id VARCHAR(36) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	started_at VARCHAR(32) NOT NULL, 
	finished_at VARCHAR(32), 
	source TEXT NOT NULL, 
	source_sha256 VARCHAR(64), 
	source_rows BIGINT, 
	counts TEXT, 
	CONSTRAINT pk_push_runs PRIMARY KEY (id)
)
--
CREATE INDEX ix_push_runs_push ON push_runs (push)
--
CREATE TABLE earlier_models (
	environment VARCHAR(1024) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	object VARCHAR(255) NOT NULL, 
	definition BLOB NOT NULL, 
	fetched_at DOUBLE NOT NULL, 
	CONSTRAINT pk_earlier_models PRIMARY KEY (environment, company, object)
)
--
CREATE TABLE requests (
	id INTEGER NOT NULL, 
	time DOUBLE NOT NULL, 
	environment VARCHAR(1024) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	method VARCHAR(16) NOT NULL, 
	path VARCHAR(255) NOT NULL, 
	object VARCHAR(255) NOT NULL, 
	operation VARCHAR(255) NOT NULL, 
	status INTEGER NOT NULL, 
	error_id VARCHAR(255) NOT NULL, 
	support_id VARCHAR(255) NOT NULL, 
	attempt INTEGER NOT NULL, 
	replayed BOOLEAN NOT NULL, 
	transactions INTEGER NOT NULL, 
	sent BIGINT NOT NULL, 
	received BIGINT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	waited DOUBLE NOT NULL, 
	slept DOUBLE NOT NULL, 
	CONSTRAINT pk_requests PRIMARY KEY (id)
)
--
CREATE INDEX ix_requests_time ON requests (time)
--
CREATE TABLE owners (
	id VARCHAR(255) NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_owners PRIMARY KEY (id)
)
--
CREATE TABLE apps (
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	terms_url VARCHAR(1024) NOT NULL, 
	client_id VARCHAR(255), 
	client_secret_sealed BLOB, 
	sender_id VARCHAR(255) NOT NULL, 
	sender_password_sealed BLOB, 
	redirect_uris TEXT NOT NULL, 
	origins TEXT NOT NULL, 
	scope VARCHAR(16), 
	state VARCHAR(16) NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	submitted_at VARCHAR(32), 
	approved_at VARCHAR(32), 
	CONSTRAINT pk_apps PRIMARY KEY (id), 
	CONSTRAINT uq_apps_name UNIQUE (name), 
	CONSTRAINT uq_apps_client_id UNIQUE (client_id), 
	CONSTRAINT ck_apps_ck_apps_scope CHECK (scope in ('production', 'non-production')), 
	CONSTRAINT ck_apps_ck_apps_state CHECK (state in ('draft', 'submitted', 'approved'))
)
--
CREATE TABLE grants (
	id VARCHAR(36) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	app_id VARCHAR(36), 
	environment VARCHAR(32) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	company_key VARCHAR(255) NOT NULL, 
	user_id VARCHAR(255) NOT NULL, 
	base_url VARCHAR(1024) NOT NULL, 
	place VARCHAR(1024) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	client_id VARCHAR(255) NOT NULL, 
	client_secret_sealed BLOB, 
	refresh_token_sealed BLOB, 
	previous_refresh_token_sealed BLOB, 
	version INTEGER NOT NULL, 
	top_level BOOLEAN, 
	state VARCHAR(16) NOT NULL, 
	reason VARCHAR(32) NOT NULL, 
	error VARCHAR(255) NOT NULL, 
	died_at VARCHAR(32), 
	superseded_by VARCHAR(36), 
	granted_at VARCHAR(32) NOT NULL, 
	last_used DOUBLE, 
	sent_at DOUBLE, 
	failures INTEGER NOT NULL, 
	retry_after DOUBLE, 
	lease_holder VARCHAR(36), 
	lease_until DOUBLE, room BLOB, 
	CONSTRAINT pk_grants PRIMARY KEY (id), 
	CONSTRAINT fk_grants_owner_owners FOREIGN KEY(owner) REFERENCES owners (id), 
	CONSTRAINT fk_grants_app_id_apps FOREIGN KEY(app_id) REFERENCES apps (id), 
	CONSTRAINT ck_grants_ck_grants_kind CHECK (kind in ('client_credentials', 'authorization_code')), 
	CONSTRAINT ck_grants_ck_grants_state CHECK (state in ('active', 'doubt', 'dead')), 
	CONSTRAINT ck_grants_ck_grants_environment CHECK (environment in ('production', 'sandbox', 'simulator'))
)
--
CREATE INDEX ix_grants_owner ON grants (owner)
--
CREATE INDEX ix_grants_app_id ON grants (app_id)
--
CREATE UNIQUE INDEX uq_grants_living ON grants (environment, company_key, user_id, place) WHERE state <> 'dead'
--
CREATE TABLE tokens (
	grant_id VARCHAR(36) NOT NULL, 
	level VARCHAR(255) NOT NULL, 
	access_token_sealed BLOB NOT NULL, 
	expires_at DOUBLE NOT NULL, 
	minted_at DOUBLE, 
	version INTEGER NOT NULL, 
	CONSTRAINT pk_tokens PRIMARY KEY (grant_id, level), 
	CONSTRAINT fk_tokens_grant_id_grants FOREIGN KEY(grant_id) REFERENCES grants (id) ON DELETE CASCADE
)
--
CREATE TABLE connections (
	id VARCHAR(36) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	environment VARCHAR(32) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	user_id VARCHAR(255) NOT NULL, 
	entity VARCHAR(255), 
	level VARCHAR(255) NOT NULL, 
	base_url VARCHAR(1024) NOT NULL, 
	simulator BOOLEAN NOT NULL, 
	grant_id VARCHAR(36), 
	state VARCHAR(16) NOT NULL, 
	why TEXT NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_connections PRIMARY KEY (id), 
	CONSTRAINT uq_connections_owner_name UNIQUE (owner, name), 
	CONSTRAINT fk_connections_owner_owners FOREIGN KEY(owner) REFERENCES owners (id), 
	CONSTRAINT fk_connections_grant_id_grants FOREIGN KEY(grant_id) REFERENCES grants (id), 
	CONSTRAINT ck_connections_ck_connections_state CHECK (state in ('connected', 'unconnected')), 
	CONSTRAINT ck_connections_ck_connections_grant CHECK ((grant_id is null) = (state = 'unconnected')), 
	CONSTRAINT ck_connections_ck_connections_environment CHECK (environment in ('production', 'sandbox', 'simulator'))
)
--
CREATE INDEX ix_connections_owner ON connections (owner)
--
CREATE INDEX ix_connections_grant_id ON connections (grant_id)
--
CREATE TABLE authorizations (
	id VARCHAR(36) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	connection_id VARCHAR(36) NOT NULL, 
	app_id VARCHAR(36) NOT NULL, 
	state_hash VARCHAR(64) NOT NULL, 
	verifier_sealed BLOB, 
	promised_user VARCHAR(255) NOT NULL, 
	redirect_uri VARCHAR(1024) NOT NULL, 
	return_url VARCHAR(1024), 
	created_at VARCHAR(32) NOT NULL, 
	expires DOUBLE NOT NULL, 
	used_at VARCHAR(32), 
	outcome VARCHAR(64), company VARCHAR(255), entity VARCHAR(255), 
	CONSTRAINT pk_authorizations PRIMARY KEY (id), 
	CONSTRAINT uq_authorizations_state_hash UNIQUE (state_hash), 
	CONSTRAINT fk_authorizations_owner_owners FOREIGN KEY(owner) REFERENCES owners (id), 
	CONSTRAINT fk_authorizations_connection_id_connections FOREIGN KEY(connection_id) REFERENCES connections (id) ON DELETE CASCADE, 
	CONSTRAINT fk_authorizations_app_id_apps FOREIGN KEY(app_id) REFERENCES apps (id)
)
--
CREATE INDEX ix_authorizations_owner ON authorizations (owner)
--
CREATE INDEX ix_authorizations_connection_id ON authorizations (connection_id)
--
CREATE TABLE connect_links (
	id VARCHAR(36) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	connection_id VARCHAR(36), 
	name VARCHAR(255) NOT NULL, 
	environment VARCHAR(32) NOT NULL, 
	company VARCHAR(255), 
	return_url VARCHAR(1024), 
	created_at VARCHAR(32) NOT NULL, 
	expires DOUBLE NOT NULL, 
	used_at VARCHAR(32), app VARCHAR(255), label VARCHAR(255), 
	CONSTRAINT pk_connect_links PRIMARY KEY (id), 
	CONSTRAINT uq_connect_links_token_hash UNIQUE (token_hash), 
	CONSTRAINT fk_connect_links_owner_owners FOREIGN KEY(owner) REFERENCES owners (id), 
	CONSTRAINT fk_connect_links_connection_id_connections FOREIGN KEY(connection_id) REFERENCES connections (id) ON DELETE CASCADE, 
	CONSTRAINT ck_connect_links_ck_connect_links_environment CHECK (environment in ('production', 'sandbox', 'simulator'))
)
--
CREATE INDEX ix_connect_links_owner ON connect_links (owner)
--
CREATE INDEX ix_connect_links_connection_id ON connect_links (connection_id)
--
CREATE TABLE slots (
	holder VARCHAR(36) NOT NULL, 
	place VARCHAR(1024) NOT NULL, 
	company_key VARCHAR(255) NOT NULL, 
	wanted INTEGER NOT NULL, 
	held INTEGER NOT NULL, 
	most INTEGER NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	since DOUBLE NOT NULL, 
	heard_at DOUBLE NOT NULL, process VARCHAR(255), 
	CONSTRAINT pk_slots PRIMARY KEY (holder)
)
--
CREATE INDEX ix_slots_place_company_key ON slots (place, company_key)
--
CREATE TABLE data_keys (
	id VARCHAR(36) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	wrapped BLOB NOT NULL, 
	wrapped_by VARCHAR(255) NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	retired_at VARCHAR(32), 
	CONSTRAINT pk_data_keys PRIMARY KEY (id), 
	CONSTRAINT fk_data_keys_owner_owners FOREIGN KEY(owner) REFERENCES owners (id)
)
--
CREATE INDEX ix_data_keys_owner ON data_keys (owner)
--
CREATE TABLE audit (
	seq BIGINT NOT NULL, 
	time VARCHAR(32) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	actor VARCHAR(255) NOT NULL, 
	what VARCHAR(64) NOT NULL, 
	subjects TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (seq), 
	CONSTRAINT uq_audit_hash UNIQUE (hash)
)
--
CREATE INDEX ix_audit_owner_seq ON audit (owner, seq)
--
CREATE TRIGGER audit_no_update before update on audit begin select raise(abort, 'the audit log is append-only'); end
--
CREATE TRIGGER audit_no_delete before delete on audit begin select raise(abort, 'the audit log is append-only'); end
--
CREATE TABLE installation (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	secret_sealed BLOB, 
	set_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_installation PRIMARY KEY (name)
)
--
CREATE TABLE connect_sessions (
	id VARCHAR(36) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	cookie_hash VARCHAR(64) NOT NULL, 
	connection_id VARCHAR(36), 
	again INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	label VARCHAR(255) NOT NULL, 
	app VARCHAR(255) NOT NULL, 
	environment VARCHAR(32), 
	company VARCHAR(255) NOT NULL, 
	return_url VARCHAR(1024) NOT NULL, 
	said_company VARCHAR(255) NOT NULL, 
	said_user VARCHAR(255) NOT NULL, 
	said_environment VARCHAR(32) NOT NULL, 
	stage VARCHAR(16) NOT NULL, 
	sign_in_id VARCHAR(36) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	facts TEXT NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	expires DOUBLE NOT NULL, 
	CONSTRAINT pk_connect_sessions PRIMARY KEY (id), 
	CONSTRAINT uq_connect_sessions_token_hash UNIQUE (token_hash), 
	CONSTRAINT uq_connect_sessions_cookie_hash UNIQUE (cookie_hash), 
	CONSTRAINT fk_connect_sessions_owner_owners FOREIGN KEY(owner) REFERENCES owners (id), 
	CONSTRAINT fk_connect_sessions_connection_id_connections FOREIGN KEY(connection_id) REFERENCES connections (id) ON DELETE CASCADE, 
	CONSTRAINT ck_connect_sessions_ck_connect_sessions_environment CHECK (environment in ('production', 'sandbox', 'simulator')), 
	CONSTRAINT ck_connect_sessions_ck_connect_sessions_stage CHECK (stage in ('asking', 'same_user', 'ready', 'sent', 'finishing', 'choosing', 'done', 'failed'))
)
--
CREATE INDEX ix_connect_sessions_owner ON connect_sessions (owner)
--
CREATE INDEX ix_connect_sessions_connection_id ON connect_sessions (connection_id)
--
CREATE TABLE webhook_events (
	id VARCHAR(64) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	connection_id VARCHAR(36) NOT NULL, 
	type VARCHAR(64) NOT NULL, 
	body TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	tries INTEGER NOT NULL, 
	due DOUBLE NOT NULL, 
	lease_holder VARCHAR(36), 
	lease_until DOUBLE, 
	error VARCHAR(255) NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	settled_at DOUBLE, 
	CONSTRAINT pk_webhook_events PRIMARY KEY (id), 
	CONSTRAINT ck_webhook_events_ck_webhook_events_state CHECK (state in ('waiting', 'delivered', 'failed'))
)
--
CREATE INDEX ix_webhook_events_owner ON webhook_events (owner)
--
CREATE INDEX ix_webhook_events_state_due ON webhook_events (state, due)
--
CREATE TABLE push_originals (
	id VARCHAR(32) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	source_id VARCHAR(1024) NOT NULL, 
	generation VARCHAR(8) NOT NULL, 
	columns TEXT NOT NULL, 
	rows_sealed BLOB, 
	kept_at VARCHAR(32) NOT NULL, origins TEXT, 
	CONSTRAINT pk_push_originals PRIMARY KEY (id)
)
--
CREATE INDEX ix_push_originals_scope ON push_originals (company, environment, push, entity)
--
CREATE TABLE push_corrections (
	id VARCHAR(36) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	source_id VARCHAR(1024) NOT NULL, 
	"row" BIGINT NOT NULL, 
	"column" VARCHAR(1024) NOT NULL, 
	change_sealed BLOB, 
	"by" VARCHAR(255) NOT NULL, 
	file TEXT NOT NULL, 
	run_id VARCHAR(36) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_push_corrections PRIMARY KEY (id)
)
--
CREATE INDEX ix_push_corrections_scope ON push_corrections (company, environment, push, entity)
--
CREATE TABLE push_planned (
	id VARCHAR(36) NOT NULL, 
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	operation VARCHAR(32) NOT NULL, 
	run_id VARCHAR(36) NOT NULL, 
	records BLOB NOT NULL, 
	planned_at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_push_planned PRIMARY KEY (id)
)
--
CREATE INDEX ix_push_planned_scope ON push_planned (company, environment, push, entity)
--
CREATE TABLE push_corrected (
	company VARCHAR(255) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	entity VARCHAR(255) NOT NULL, 
	push VARCHAR(255) NOT NULL, 
	source_id VARCHAR(1024) NOT NULL, 
	said VARCHAR(64) NOT NULL, 
	became TEXT NOT NULL, 
	run_id VARCHAR(36) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_push_corrected PRIMARY KEY (company, environment, entity, push, source_id, said)
)
--
CREATE INDEX ix_push_records_later ON push_records (source_id) WHERE step > 0
--
CREATE INDEX ix_push_batches_records ON push_batches (company, object) WHERE records is not null
