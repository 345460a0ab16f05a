SELECT epoch, lanes, from_xid, from_seq FROM relay_epochs WHERE stream = $1 ORDER BY epoch
