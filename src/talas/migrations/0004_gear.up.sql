CREATE TABLE categories (
    id SERIAL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    description TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE UNIQUE INDEX categories_name_key ON categories (lower(name));

-- Prices are whole units of the site's currency, as the people who fill the catalogue mean it.
CREATE TABLE products (
    id SERIAL PRIMARY KEY,
    name VARCHAR(200) NOT NULL,
    category_id INT REFERENCES categories (id),
    brand VARCHAR(100),
    model VARCHAR(100),
    description TEXT,
    price INT CONSTRAINT products_price_sane CHECK (price >= 0),
    warranty_months INT CONSTRAINT products_warranty_sane CHECK (warranty_months >= 0),
    warranty_conditions TEXT,
    manufacturer_website VARCHAR(255),
    specifications JSONB,
    status VARCHAR(20) NOT NULL DEFAULT 'active'
        CONSTRAINT products_status_known CHECK (status IN ('active', 'inactive')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX products_category_idx ON products (category_id, id DESC);
CREATE INDEX products_newest_idx ON products (id DESC) WHERE status = 'active';

-- A product that somebody owns stays in the catalogue: the reference has no ON DELETE.
CREATE TABLE user_products (
    id SERIAL PRIMARY KEY,
    user_id INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    product_id INT NOT NULL REFERENCES products (id),
    version VARCHAR(50),
    serial_number VARCHAR(100),
    purchase_date DATE,
    purchase_price INT CONSTRAINT user_products_price_sane CHECK (purchase_price >= 0),
    warranty_expires DATE,
    notes TEXT,
    status VARCHAR(20) NOT NULL DEFAULT 'active'
        CONSTRAINT user_products_status_known
        CHECK (status IN ('active', 'sold', 'broken', 'archived')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT user_products_once_key UNIQUE (user_id, product_id)
);

CREATE INDEX user_products_user_idx ON user_products (user_id, id DESC);
CREATE INDEX user_products_product_idx ON user_products (product_id);
CREATE INDEX user_products_warranty_idx ON user_products (user_id, warranty_expires, id);

-- product_id names a row of user_products, as the table that Talas was asked for has it. Files
-- are deleted before what they belong to, so that their objects are never forgotten.
CREATE TABLE files (
    id SERIAL PRIMARY KEY,
    product_id INT NOT NULL REFERENCES user_products (id),
    filename VARCHAR(255) NOT NULL,
    url VARCHAR(500),
    type VARCHAR(50) NOT NULL
        CONSTRAINT files_type_known
        CHECK (type IN ('manual', 'warranty', 'invoice', 'image', 'document')),
    mime_type VARCHAR(100) NOT NULL,
    size BIGINT NOT NULL,
    content_hash BYTEA NOT NULL
        CONSTRAINT files_content_hash_sha256 CHECK (octet_length(content_hash) = 32),
    storage_key TEXT NOT NULL UNIQUE,
    uploaded_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX files_product_idx ON files (product_id, id);

-- Documents of the house about a product of the catalogue: manuals, notes on repairs.
CREATE TABLE product_docs (
    id SERIAL PRIMARY KEY,
    product_id INT NOT NULL REFERENCES products (id),
    filename VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL
        CONSTRAINT product_docs_type_known
        CHECK (type IN ('manual', 'warranty', 'invoice', 'image', 'document')),
    mime_type VARCHAR(100) NOT NULL,
    size BIGINT NOT NULL,
    content_hash BYTEA NOT NULL
        CONSTRAINT product_docs_content_hash_sha256 CHECK (octet_length(content_hash) = 32),
    storage_key TEXT NOT NULL UNIQUE,
    uploaded_by INT REFERENCES users (id),
    uploaded_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX product_docs_product_idx ON product_docs (product_id, id);
