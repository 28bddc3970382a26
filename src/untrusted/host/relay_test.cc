// The host's relay between real TCP clients and a test that plays the enclave.
#include "untrusted/host/relay.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace anchorhold::host {
namespace {

using wire::RelayKind;

struct Frame {
  wire::RelayHeader header;
  Bytes payload;
};

class RelayTest : public ::testing::Test {
 protected:
  RelayTest() : log_("test", -1, clock_) {
    std::array<int, 2> fds{};
    AH_CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) == 0);
    enclave_ = UniqueFd(fds[0]);
    signal_ = UniqueFd(::eventfd(0, 0));
    relay_ = std::make_unique<Relay>(UniqueFd(fds[1]), signal_.get(), log_);
  }

  void Serve() {
    auto listener = Listen("127.0.0.1:0");
    AH_CHECK(listener.ok());
    const std::string address = AddressOf(*listener).value();
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    thread_ = std::thread([this, fd = std::make_shared<UniqueFd>(std::move(*listener))] {
      event_ = relay_->Run(std::move(*fd));
    });
  }

  void TearDown() override {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(signal_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    if (thread_.joinable()) thread_.join();
  }

  UniqueFd Connect() const {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  Frame NextFrame() const {
    std::array<std::byte, wire::kRelayHeaderBytes> header{};
    EXPECT_EQ(::recv(enclave_.get(), header.data(), header.size(), MSG_WAITALL),
              static_cast<ssize_t>(header.size()));
    auto parsed = wire::ParseRelayHeader(header);
    AH_CHECK(parsed.ok());
    Frame frame{.header = *parsed, .payload = Bytes(parsed->size)};
    if (parsed->size > 0) {
      EXPECT_EQ(::recv(enclave_.get(), frame.payload.data(), frame.payload.size(), MSG_WAITALL),
                static_cast<ssize_t>(frame.payload.size()));
    }
    return frame;
  }

  void Say(std::uint32_t id, RelayKind kind, std::string_view payload = {}) const {
    const Bytes frame = wire::SerializeRelayFrame(id, kind, AsBytes(payload));
    ASSERT_EQ(::write(enclave_.get(), frame.data(), frame.size()),
              static_cast<ssize_t>(frame.size()));
  }

  SystemClock clock_;
  Log log_;
  UniqueFd enclave_;
  UniqueFd signal_;
  std::unique_ptr<Relay> relay_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  Result<Relay::Event> event_ = Relay::Event::kReady;
};

std::string ReadAll(const UniqueFd& fd) {
  std::string all;
  std::array<char, 4096> bytes{};
  for (;;) {
    const ssize_t got = ::read(fd.get(), bytes.data(), bytes.size());
    if (got <= 0) return all;
    all.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

TEST_F(RelayTest, CarriesBytesBothWays) {
  Serve();
  const UniqueFd one = Connect();
  const Frame open = NextFrame();
  EXPECT_EQ(open.header.kind, RelayKind::kOpen);
  ASSERT_EQ(::write(one.get(), "hello", 5), 5);
  const Frame data = NextFrame();
  EXPECT_EQ(data.header.connection, open.header.connection);
  EXPECT_EQ(AsText(data.payload), "hello");
  Say(open.header.connection, RelayKind::kData, "world");
  Say(open.header.connection, RelayKind::kClose);
  EXPECT_EQ(ReadAll(one), "world");  // all of it, and then the end
}

TEST_F(RelayTest, KeepsConnectionsApartAndTellsOfTheirEnd) {
  Serve();
  const UniqueFd one = Connect();
  const std::uint32_t first = NextFrame().header.connection;
  UniqueFd two = Connect();
  const std::uint32_t second = NextFrame().header.connection;
  ASSERT_NE(first, second);
  Say(second, RelayKind::kData, "for two");
  Say(first, RelayKind::kData, "for one");
  std::array<char, 7> text{};
  ASSERT_EQ(::recv(two.get(), text.data(), 7, MSG_WAITALL), 7);
  EXPECT_EQ(std::string_view(text.data(), 7), "for two");
  ASSERT_EQ(::recv(one.get(), text.data(), 7, MSG_WAITALL), 7);
  EXPECT_EQ(std::string_view(text.data(), 7), "for one");
  two.Reset();
  const Frame closed = NextFrame();
  EXPECT_EQ(closed.header.kind, RelayKind::kClose);
  EXPECT_EQ(closed.header.connection, second);
}

TEST_F(RelayTest, ClosesAClientThatDoesNotRead) {
  Serve();
  const UniqueFd one = Connect();
  const std::uint32_t id = NextFrame().header.connection;
  const std::string piece(limits::kRelayFrameBytesMax, 'x');
  // More than sockets and the relay's buffer hold.
  for (int i = 0; i < 1000; ++i) {
    const Bytes frame = wire::SerializeRelayFrame(id, RelayKind::kData, AsBytes(piece));
    std::size_t sent = 0;
    while (sent < frame.size()) {
      const ssize_t n = ::write(enclave_.get(), frame.data() + sent, frame.size() - sent);
      ASSERT_GT(n, 0);
      sent += static_cast<std::size_t>(n);
    }
  }
  EXPECT_EQ(NextFrame().header.kind, RelayKind::kClose);
}

TEST_F(RelayTest, WaitsForReady) {
  Say(0, RelayKind::kReady);
  EXPECT_EQ(relay_->WaitReady(std::chrono::seconds(10)).value(), Relay::Event::kReady);
  relay_->SendStop();
  EXPECT_EQ(NextFrame().header.kind, RelayKind::kStop);
}

TEST_F(RelayTest, NoticesThatTheEnclaveIsGone) {
  enclave_.Reset();
  EXPECT_EQ(relay_->WaitReady(std::chrono::seconds(10)).value(), Relay::Event::kEnclaveGone);
}

TEST_F(RelayTest, EndsWhenTheEnclaveBreaksTheProtocol) {
  Say(1, RelayKind::kOpen);  // only the host opens
  EXPECT_FALSE(relay_->WaitReady(std::chrono::seconds(10)).ok());
}

TEST(Listening, TakesNumericAddressesOnly) {
  for (const char* bad : {"", "7641", ":7641", "localhost:7641", "127.0.0.1:", "127.0.0.1:x",
                          "127.0.0.1:65536", "::1:7641", "[::1]", "127.0.0.1:-1"}) {
    const auto listener = Listen(bad);
    ASSERT_FALSE(listener.ok()) << bad;
    EXPECT_EQ(listener.error().code(), ErrorCode::kInvalidInput) << bad;
  }
  const auto good = Listen("127.0.0.1:0");
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(AddressOf(*good).value().rfind("127.0.0.1:", 0), 0U);
  const auto taken = Listen(AddressOf(*good).value());
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace anchorhold::host
