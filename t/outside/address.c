/* SPDX-License-Identifier: MIT
 * Which texts are addresses, which addresses are public, where nets end. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "outside/address.h"
#include "t/tap.h"

/* Both ends of every net that is not public, and their neighbours that are. */
static const struct {
    const char *text;
    bool is_public;
} rows[] = {
    { "0.0.0.0", false },
    { "0.255.255.255", false },
    { "1.0.0.0", true },
    { "1.1.1.1", true },
    { "8.8.8.8", true },
    { "9.255.255.255", true },
    { "10.0.0.0", false },
    { "10.255.255.255", false },
    { "11.0.0.0", true },
    { "100.63.255.255", true },
    { "100.64.0.0", false },
    { "100.127.255.255", false },
    { "100.128.0.0", true },
    { "126.255.255.255", true },
    { "127.0.0.0", false },
    { "127.0.0.1", false },
    { "127.255.255.255", false },
    { "128.0.0.0", true },
    { "169.253.255.255", true },
    { "169.254.0.0", false },
    { "169.254.169.254", false },
    { "169.254.255.255", false },
    { "169.255.0.0", true },
    { "172.15.255.255", true },
    { "172.16.0.0", false },
    { "172.31.255.255", false },
    { "172.32.0.0", true },
    { "191.255.255.255", true },
    { "192.0.0.0", false },
    { "192.0.0.255", false },
    { "192.0.1.0", true },
    { "192.0.2.0", false },
    { "192.0.2.255", false },
    { "192.0.3.0", true },
    { "192.31.196.1", false },
    { "192.52.193.1", false },
    { "192.88.99.1", false },
    { "192.88.100.0", true },
    { "192.167.255.255", true },
    { "192.168.0.0", false },
    { "192.168.255.255", false },
    { "192.169.0.0", true },
    { "192.175.48.1", false },
    { "198.17.255.255", true },
    { "198.18.0.0", false },
    { "198.19.255.255", false },
    { "198.20.0.0", true },
    { "198.51.99.255", true },
    { "198.51.100.0", false },
    { "198.51.100.255", false },
    { "198.51.101.0", true },
    { "203.0.112.255", true },
    { "203.0.113.0", false },
    { "203.0.113.255", false },
    { "203.0.114.0", true },
    { "223.255.255.255", true },
    { "224.0.0.0", false },
    { "239.255.255.255", false },
    { "240.0.0.0", false },
    { "255.255.255.255", false },
    { "::", false },
    { "::1", false },
    { "::8.8.8.8", false },
    { "::ffff:127.0.0.1", false },
    { "::ffff:8.8.8.8", false },
    { "::ffff:0:8.8.8.8", false },
    { "64:ff9b::8.8.8.8", false },
    { "64:ff9b::7f00:1", false },
    { "64:ff9b:1::a00:1", false },
    { "100::1", false },
    { "1fff:ffff::1", false },
    { "2000::1", true },
    { "2001::1", false },
    { "2001:0:4136:e378::1", false },
    { "2001:2::1", false },
    { "2001:1ff:ffff::1", false },
    { "2001:200::1", true },
    { "2001:4860:4860::8888", true },
    { "2001:db7:ffff::1", true },
    { "2001:db8::1", false },
    { "2001:db8:ffff::1", false },
    { "2001:db9::1", true },
    { "2002:7f00:1::1", false },
    { "2002:808:808::1", false },
    { "2003::1", true },
    { "2620:4f:8000::1", false },
    { "2620:4f:8001::1", true },
    { "2606:4700::1111", true },
    { "2a00:1450::5efe:10.0.0.1", false },
    { "2a00:1450::200:5efe:a00:1", false },
    { "3ffe:ffff::1", true },
    { "3fff::1", false },
    { "3fff:fff:ffff::1", false },
    { "3fff:1000::1", true },
    { "4000::1", false },
    { "5f00::1", false },
    { "fc00::1", false },
    { "fd12:3456::1", false },
    { "fe80::1", false },
    { "febf::1", false },
    { "fec0::1", false },
    { "ff02::1", false },
    { "ffff::1", false },
};

static void test_public(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address a;
        if (ok(address_parse(sv_from(rows[i].text), &a), "%s is an address", rows[i].text))
            is_int(address_is_public(&a), rows[i].is_public, "%s is %spublic", rows[i].text,
                   rows[i].is_public ? "" : "not ");
    }
}

static void test_texts(void)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "1.2.3.256",
        "1.2.3.4.",
        "1.2.3.4.5",
        "1..2.3",
        " 1.2.3.4",
        "1.2.3.4 ",
        "-1.2.3.4",
        "1.2.3.4/8",
        "[::1]",
        "::1%lo",
        "fe80::1%25eth0",
        ":::",
        "1::2::3",
        "12345::",
        "::g",
        "1:2:3:4:5:6:7:8:9",
        "::1.2.3",
        "localhost",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    static const char *const same[][2] = {
        { "::1", "0:0:0:0:0:0:0:1" },
        { "2001:200::ab", "2001:0200:0000::00AB" },
        { "::ffff:127.0.0.1", "::FFFF:7f00:1" },
        { "1.2.3.4", "1.2.3.4" },
    };
    struct address a;
    char text[ADDRESS_TEXT_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ok(!address_parse(sv_from(bad[i]), &a), "no address: \"%s\"", bad[i]);
    ok(!address_parse(SV("1.2.3.4\0"), &a), "no address: with a NUL");
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        ok(address_parse(sv_from(same[i][1]), &a), "%s", same[i][1]);
        address_text(&a, text);
        is_str(text, same[i][0], "in its shortest form");
    }
}

static void test_nets(void)
{
    static const struct {
        const char *net, *in, *out;
    } good[] = {
        { "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
        { "10.0.0.0/9", "10.127.255.255", "10.128.0.0" },
        { "127.0.0.1/32", "127.0.0.1", "127.0.0.2" },
        { "0.0.0.0/0", "255.1.2.3", "::1" },
        { "::/0", "fd00::1", "1.2.3.4" },
        { "fd00::/8", "fdff::1", "fc00::1" },
        { "fe80::/10", "febf::1", "fec0::1" },
        { "::1/128", "::1", "::2" },
        { "::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "10.1.2.3" },
    };
    static const char *const bad[] = {
        "10.0.0.0",    "10.0.0.0/",    "10.0.0.0/33",  "10.0.0.1/8",
        "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/0x8", "10/8",
        "::/129",      "fd00::1/8",    "/8",           "",
        "localhost/8", "[fd00::]/8",   "10.0.0.0/8 ",  "10.0.0.0/99999999999999999999",
    };
    struct address_net net;
    struct address a;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ok(address_net_parse(sv_from(good[i].net), &net), "a net: %s", good[i].net);
        ok(address_parse(sv_from(good[i].in), &a) && address_in(&a, &net), "%s is in it", good[i].in);
        ok(address_parse(sv_from(good[i].out), &a) && !address_in(&a, &net), "%s is not", good[i].out);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ok(!address_net_parse(sv_from(bad[i]), &net), "no net: \"%s\"", bad[i]);
}

static void test_sockets(void)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(4711) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct address a, b;
    unsigned port;
    (void)inet_pton(AF_INET, "10.1.2.3", &v4.sin_addr);
    (void)inet_pton(AF_INET6, "fd00::1", &v6.sin6_addr);
    ok(address_of_socket((const struct sockaddr *)&v4, &a, &port) && port == 4711, "of version 4");
    ok(address_parse(SV("10.1.2.3"), &b) && address_eq(&a, &b), "10.1.2.3");
    ok(address_of_socket((const struct sockaddr *)&v6, &a, &port) && port == 443, "of version 6");
    ok(!address_eq(&a, &b) && address_parse(SV("fd00::1"), &b) && address_eq(&a, &b), "fd00::1");
    ok(!address_of_socket((const struct sockaddr *)&local, &a, &port), "of another family");
}

int main(void)
{
    test_public();
    test_texts();
    test_nets();
    test_sockets();
    return done_testing();
}
