/**
 * A self-signed certificate for hook.example, valid from 2020 to 2120, and its key. For tests only: it is
 * public and proves nothing. Node has no API to make one.
 */
export const TEST_CERTIFICATE: string = `-----BEGIN CERTIFICATE-----
MIIBajCCARCgAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAxob29rLmV4
YW1wbGUwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBcxFTATBgNV
BAMMDGhvb2suZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLaamejl
+1hXBFkWeUzOjc3buFR2b9+SvhPGYd5N9z2i0AMj/N87LxAWbFFUlZB1MMHfpew1
Xcsd/8zRLh7ekxSjSzBJMBcGA1UdEQQQMA6CDGhvb2suZXhhbXBsZTAPBgNVHRMB
Af8EBTADAQH/MB0GA1UdDgQWBBQb7zFgmaSmFlnrubpa7R+h6lfK5DAKBggqhkjO
PQQDAgNIADBFAiEA5pgekO3m+CAeKa0aqaUSFCvTpYIPw1Jhz820pW60lCYCIAbd
LVPn+31UxPUH2lne/hu+xsJzqkStMwvcvQySEk7d
-----END CERTIFICATE-----
`;

export const TEST_PRIVATE_KEY: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghuXqcLIkacUztKmj
IQhktb7WYeTIJ6C4JgayptdQfLWhRANCAAS2mpno5ftYVwRZFnlMzo3N27hUdm/f
kr4TxmHeTfc9otADI/zfOy8QFmxRVJWQdTDB36XsNV3LHf/M0S4e3pMU
-----END PRIVATE KEY-----
`;
