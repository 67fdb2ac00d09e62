#include "adapter/redis/front/info_view.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::adapter::redis {
namespace {

constexpr char kText[] =
    "# Server\r\nredis_version:7.0.15\r\ntcp_port:0\r\n\r\n"
    "# Clients\r\nconnected_clients:3\r\nmaxclients:10000\r\nblocked_clients:0\r\n\r\n"
    "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n"
    "slave0:ip=,port=0,state=online,offset=14,lag=0\r\nmaster_replid:abc\r\n"
    "master_replid2:000\r\nmaster_repl_offset:14\r\n\r\n"
    "# CPU\r\nrole:of nobody\r\n";

TEST(InfoViewTest, APrimaryTellsOfItsAgents) {
  const InfoView view{.others = {"10.0.0.2:7002", "10.0.0.3:7003"},
                      .committed = StreamOffset(12),
                      .clients = 40,
                      .max_clients = 50,
                      .own_address = "10.0.0.1:7001"};
  EXPECT_EQ(RewriteInfo(kText, view),
            "# Server\r\nredis_version:7.0.15\r\ntcp_port:7001\r\n\r\n"
            "# Clients\r\nconnected_clients:40\r\nmaxclients:50\r\nblocked_clients:0\r\n\r\n"
            "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
            "slave0:ip=10.0.0.2,port=7002,state=online,offset=12,lag=0\r\n"
            "slave1:ip=10.0.0.3,port=7003,state=online,offset=12,lag=0\r\nmaster_replid:abc\r\n"
            "master_replid2:000\r\nmaster_repl_offset:14\r\n\r\n"
            "# CPU\r\nrole:of nobody\r\n");
}

TEST(InfoViewTest, AReplicaTellsOfThePrimaryAgent) {
  constexpr char kReplica[] =
      "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:41\r\n"
      "master_link_status:up\r\nslave_repl_offset:14\r\nslave_read_only:1\r\n";
  EXPECT_EQ(RewriteInfo(kReplica, {.replica = true, .primary = "[::1]:7001"}),
            "# Replication\r\nrole:slave\r\nmaster_host:[::1]\r\nmaster_port:7001\r\n"
            "master_link_status:up\r\nconnected_slaves:0\r\nslave_repl_offset:14\r\n"
            "slave_read_only:1\r\n");
  EXPECT_EQ(RewriteInfo("# Replication\r\nrole:slave\r\n", {.replica = true}),
            "# Replication\r\nrole:slave\r\nmaster_host:\r\nmaster_port:0\r\n"
            "master_link_status:down\r\nconnected_slaves:0\r\n");
}

TEST(InfoViewTest, SaysThatItIsACluster) {
  constexpr char kServer[] = "redis_mode:standalone\r\n# Cluster\r\ncluster_enabled:0\r\n";
  EXPECT_EQ(RewriteInfo(kServer, {.cluster = true}),
            "redis_mode:cluster\r\n# Cluster\r\ncluster_enabled:1\r\n");
  EXPECT_EQ(RewriteInfo(kServer, {}), kServer);
}

TEST(InfoViewTest, FramesTheReplyAnew) {
  const InfoView view{.max_clients = 7};
  EXPECT_EQ(RewriteInfoReply("$13\r\nmaxclients:1\n\r\n", RespVersion::k2, view),
            "$14\r\nmaxclients:7\r\n\r\n");
  EXPECT_EQ(RewriteInfoReply("=18\r\ntxt:maxclients:1\r\n\r\n", RespVersion::k3, view),
            "=18\r\ntxt:maxclients:7\r\n\r\n");
  EXPECT_EQ(RewriteInfoReply("-NOPERM no\r\n", RespVersion::k2, view), "-NOPERM no\r\n");
}

}  // namespace
}  // namespace cairn::adapter::redis
