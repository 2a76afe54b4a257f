-- Written by the lab: where to copy from. Asked again every two seconds until the primary answers.
STOP SLAVE;
CHANGE MASTER TO MASTER_HOST = '192.168.10.11', MASTER_USER = 'replication',
    MASTER_PASSWORD = '{secret replication}', MASTER_CONNECT_RETRY = 2, MASTER_USE_GTID = slave_pos;
START SLAVE;
