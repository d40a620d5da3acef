// SPDX-License-Identifier: Apache-2.0
// The least a command can be: what `procctl ping` is measured against.
int main(void) { return 0; }
