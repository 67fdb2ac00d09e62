// RecoverData: `cairnd --recover-data`, what `cairn recover` starts: a new cluster of one node,
// made of the directory of a node that is alone left of its old one (docs/disaster.md, decision
// 031).
//
//   FROM, to read only (stopped_store.h) ──► the old catalog ──► which logs, under which new ids
//     ──► TO.recovering: a new directory; each log as far as it is in order (recovered_log.h)
//                        the new catalog (recovered_catalog.h), the cluster's id
//     ──► renamed to TO, when all of it is on the disk
//
// FROM is not changed. TO is there whole or not at all: what a run that was cut short left is
// thrown away by the next one. Each run makes another cluster.
//
// On stdout, one JSON object a line:
//
//   {"progress":{"stage","done","total"}}      as of --check-data
//   {"log":{"id","old_id","name","kept","first_seq","last_seq","committed_seq","chain","newest_us",
//           "age_ms","leases_ended","producers_dropped","missing","known"}}   one for each;
//                                              missing: what may be, or is (known), missing, or ""
//   {"finding":{"kind","file","what","advice"}}   as of --check-data: of FROM
//   {"result":{"directory","cluster_id","old_cluster_id","node_id","name","address"}}   the last
//   {"error":{"code","message"}}               instead of a result
#pragma once

#include <string>
#include <vector>

namespace cairn::server {

// Words: --from DIR --to DIR [--name N] [--advertise HOST:PORT] [--zone Z] [--dry-run]; what is not
// given stays what it was. Returns whether there is a result.
bool RecoverData(const std::vector<std::string>& words);

}  // namespace cairn::server
