// What of the transfers can be told without a server; the rest is in tests/cli/pull_test.py.
#include <gtest/gtest.h>

#include "ops/http/http.h"
#include "ops/hub/download.h"
#include "ops/hub/hub_errors.h"
#include "ops/hub/progress.h"
#include "tests/support/expect_error.h"

namespace slmtune::ops {
namespace {

TEST(RetryDelay, DoublesUpToHalfAMinute) {
  EXPECT_EQ(retry_delay(1, 0), 0.25);
  EXPECT_EQ(retry_delay(2, 0), 0.5);
  EXPECT_EQ(retry_delay(5, 0), 4.0);
  EXPECT_EQ(retry_delay(9, 0), 30.0);
  EXPECT_EQ(retry_delay(1000000, 0), 30.0);
}

TEST(RetryDelay, IsWhatTheServerAsksForWithinReason) {
  EXPECT_EQ(retry_delay(1, 7), 7.0);
  EXPECT_EQ(retry_delay(1, 1e9), 300.0);
}

TEST(HttpReply, TellsWhatMayPassFromWhatStays) {
  HttpReply reply;
  for (long status : {408L, 429L, 500L, 502L, 503L, 504L}) {
    reply.status = status;
    EXPECT_TRUE(reply.is_passing()) << status;
  }
  for (long status : {200L, 401L, 403L, 404L, 416L}) {
    reply.status = status;
    EXPECT_FALSE(reply.is_passing()) << status;
  }
  reply.status = 200;
  for (CURLcode outcome : {CURLE_OPERATION_TIMEDOUT, CURLE_PARTIAL_FILE, CURLE_COULDNT_CONNECT}) {
    reply.outcome = outcome;
    EXPECT_TRUE(reply.is_passing()) << outcome;
    EXPECT_FALSE(reply.succeeded());
  }
  for (CURLcode outcome :
       {CURLE_PEER_FAILED_VERIFICATION, CURLE_TOO_MANY_REDIRECTS, CURLE_ABORTED_BY_CALLBACK}) {
    reply.outcome = outcome;
    EXPECT_FALSE(reply.is_passing()) << outcome;
  }
}

TEST(ContentRange, MustContinueWhereThePartEnds) {
  EXPECT_TRUE(continues_at("bytes 5-9/10", 5, 10));
  EXPECT_TRUE(continues_at("bytes 5-9/*", 5, 10));
  EXPECT_TRUE(continues_at("bytes 0-9/10", 0, 10));
  for (const char* range :
       {"bytes 4-9/10", "bytes 55-9/10", "bytes 5-9/11", "bytes 5-9", "5-9/10", "", "bytes */10"})
    EXPECT_FALSE(continues_at(range, 5, 10)) << range;
}

std::string code_of(const std::string& token, const HttpReply& reply) {
  HubSettings hub;
  hub.endpoint = "https://hub";
  hub.token = token;
  hub.token_place = "HF_TOKEN";
  return testing::thrown_text([&] {
    throw_http_error(hub, {"a/b", "v1"}, "https://hub/x", reply);
  });
}

TEST(HttpError, SaysWhereToAcceptALicenceAndNeverShowsTheToken) {
  HttpReply reply;
  reply.status = 403;
  reply.headers["x-error-code"] = "GatedRepo";
  EXPECT_EQ(code_of("", reply),
            "https://hub/x: error[H002]: the model is gated and no token was given\nhelp: accept "
            "the licence at https://hub/a/b, then put a token with read access into HF_TOKEN");
  const std::string with_token = code_of("hf_secret", reply);
  EXPECT_NE(with_token.find("the token's owner has no access"), std::string::npos);
  EXPECT_EQ(with_token.find("hf_secret"), std::string::npos);
  reply.headers.clear();
  reply.status = 401;
  EXPECT_NE(code_of("", reply).find("error[H002]: the hub asks for a token (HTTP 401)"),
            std::string::npos);
  EXPECT_NE(code_of("hf_secret", reply).find("refuses the token (HTTP 401)"), std::string::npos);
}

TEST(HttpError, TellsRepositoryRevisionAndFileApart) {
  HttpReply reply;
  reply.status = 404;
  EXPECT_NE(code_of("", reply).find("error[H003]: the hub has no model 'a/b'"), std::string::npos);
  reply.headers["x-error-code"] = "RevisionNotFound";
  EXPECT_NE(code_of("", reply).find("error[H004]: 'a/b' has no branch, tag or commit 'v1'"),
            std::string::npos);
  reply.headers["x-error-code"] = "EntryNotFound";
  EXPECT_NE(code_of("", reply).find("error[H007]"), std::string::npos);
  // Without a login the hub does not tell a private model from none.
  reply.status = 401;
  reply.headers["x-error-code"] = "RepoNotFound";
  EXPECT_NE(code_of("", reply).find("error[H003]"), std::string::npos);
}

TEST(HttpError, RepeatsTheServersWordsWithoutItsControlCharacters) {
  HttpReply reply;
  reply.status = 451;
  reply.headers["x-error-message"] = "gone\x1b[31m";
  EXPECT_NE(code_of("", reply).find("error[H008]: the hub answers with HTTP 451: gone?[31m"),
            std::string::npos);
}

TEST(HttpError, NamesWhatKeptTheHubFromBeingReached) {
  HttpReply reply;
  reply.problem = "no route";
  for (auto [outcome, said] :
       {std::pair{CURLE_COULDNT_CONNECT, "error[H001]: the hub was not reached: no route"},
        std::pair{CURLE_PEER_FAILED_VERIFICATION, "SSL_CERT_FILE"},
        std::pair{CURLE_TOO_MANY_REDIRECTS, "error[H007]: the hub redirects without end"},
        std::pair{CURLE_UNSUPPORTED_PROTOCOL, "error[H007]: the hub redirects to another"},
        std::pair{CURLE_WRITE_ERROR, "error[H007]: the hub's answer is longer"}}) {
    reply.outcome = outcome;
    EXPECT_NE(code_of("", reply).find(said), std::string::npos) << said;
  }
}

TEST(Progress, ShowsPartBytesRateAndTimeLeft) {
  EXPECT_EQ(progress_text(1 << 20, 4 << 20, 1 << 20),
            "[======>                 ]  25 %  1.0 MiB of 4.0 MiB  1.0 MiB/s  3 s left");
  EXPECT_EQ(progress_text(0, 4 << 20, 0), "[>                       ]   0 %  0 B of 4.0 MiB");
  EXPECT_EQ(progress_text(5, 5, 2), "[========================] 100 %  5 B of 5 B  2 B/s");
  EXPECT_EQ(progress_text(0, 0, 0), "[========================] 100 %  0 B of 0 B");
}

TEST(RateMeter, ForgetsWhatIsLongAgo) {
  RateMeter meter;
  EXPECT_EQ(meter.bytes_per_second(), 0);
  for (int second = 0; second <= 20; ++second) meter.add(second, second * 1000);
  EXPECT_NEAR(meter.bytes_per_second(), 1000, 1e-9);
  for (int second = 21; second <= 40; ++second) meter.add(second, 20000);
  EXPECT_EQ(meter.bytes_per_second(), 0);
  meter.add(41, 5);  // a file started anew
  EXPECT_EQ(meter.bytes_per_second(), 0);
}

TEST(PullProgress, EndsTheWorkWhenTheUserWantsToStop) {
  bool stop = false;
  PullProgress progress(10, [&] { return stop; });
  EXPECT_NO_THROW(progress.update(1));
  stop = true;
  EXPECT_THROW(progress.update(2), PullStopped);
}

}  // namespace
}  // namespace slmtune::ops
