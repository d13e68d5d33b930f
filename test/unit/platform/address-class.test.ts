import { expect, it } from 'vitest';
import { classifyAddress, isLoopbackHost } from '../../../src/platform/address-class.ts';

it.each([
  ['public', '8.8.8.8 2606:4700::1111 [2606:4700::1111] 64:ff9b::808:808'],
  ['loopback', '127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::'],
  ['private', '10.0.0.1 172.31.0.1 192.168.1.1 fd00:ec2::254 fec0::1 ::ffff:10.0.0.1'],
  ['link-local', '169.254.169.254 168.63.129.16 fe80::1 fe80::1%eth0'],
  ['carrier-nat', '100.64.0.1'],
  ['multicast', '224.0.0.1 ff02::1'],
  ['benchmark', '198.18.0.1'],
  ['reserved', '0.0.0.0 255.255.255.255 192.0.2.1 240.0.0.1 :: 4000::1 2001::1 2001:db8::1'],
  ['invalid', '0177.0.0.1 127.1 files.test'],
])('%s: %s', (expected, addresses) => {
  for (const address of addresses.split(' '))
    expect([address, classifyAddress(address)]).toEqual([address, expected]);
});

it.each([
  [true, 'localhost LOCALHOST. a.localhost [::1] 127.0.0.2'],
  [false, 'localhost.test 10.0.0.1'],
])('of this machine, %s: %s', (expected, hosts) => {
  for (const host of hosts.split(' ')) expect([host, isLoopbackHost(host)]).toEqual([host, expected]);
});
