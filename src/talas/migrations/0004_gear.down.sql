DROP TABLE product_docs;
DROP TABLE files;
DROP TABLE user_products;
DROP TABLE products;
DROP TABLE categories;
