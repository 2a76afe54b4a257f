-- Written by the lab: the accounts and the table that the replica takes over.
CREATE OR REPLACE USER replication@'192.168.10.%' IDENTIFIED BY '{secret replication}';
GRANT REPLICATION SLAVE ON *.* TO replication@'192.168.10.%';
CREATE DATABASE IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, item VARCHAR(40));
CREATE OR REPLACE USER shop@'192.168.10.%' IDENTIFIED BY '{secret shop}';
GRANT SELECT, INSERT, DELETE ON shop.* TO shop@'192.168.10.%';
