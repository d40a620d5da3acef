// SPDX-License-Identifier: Apache-2.0
// The ways of registers.c on x86-64. rbx is the address of `hold`, rsp stays; in a call the kernel has rax, rcx and r11.

enum { held_vectors = 16 };

static int is_spoilt(const char *way, int number)
{
    const int call = strcmp(way, "call") == 0;
    // rax rbx rcx rdx rsi rdi rbp rsp r8…r15
    return number == 1 || number == 7 || number > 15 ||
           (call && (number == 0 || (number >= 2 && number <= 5) || number == 11));
}

__asm__(".macro way name, move, vector, width, work, wide\n"
        ".globl \\name\n"
        "\\name:\n"
        ".irp r, rbx, rbp, r12, r13, r14, r15\n push %\\r\n .endr\n"
        "mov %rdi, %rbx\n"
        "mov %rsp, 8(%rbx)\n"
        "ldmxcsr 24+256(%rbx)\n"
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "\\move 24+288+\\i*\\width(%rbx), %\\vector\\i\n"
        ".endr\n"
        "general mov_in, 24\n"
        ".if \\work\n"
        "1: cmpq $0, (%rbx)\n"
        "je 1b\n"
        ".else\n"
        "xor %eax, %eax\n" // read(0, &hold.byte, 1)
        "xor %edi, %edi\n"
        "lea 16(%rbx), %rsi\n"
        "mov $1, %edx\n"
        "syscall\n"
        ".endif\n"
        "general mov_out, 24+9024\n"
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "\\move %\\vector\\i, 24+9024+288+\\i*\\width(%rbx)\n"
        ".endr\n"
        "stmxcsr 24+9024+256(%rbx)\n"
        "movl $0x1f80, 16(%rbx)\n"
        "ldmxcsr 16(%rbx)\n"
        ".if \\wide\n vzeroupper\n .endif\n"
        "mov 8(%rbx), %rsp\n"
        ".irp r, r15, r14, r13, r12, rbp, rbx\n pop %\\r\n .endr\n"
        "ret\n"
        ".endm\n"
        ".macro mov_in at, number, register\n mov \\at+8*\\number(%rbx), %\\register\n .endm\n"
        ".macro mov_out at, number, register\n mov %\\register, \\at+8*\\number(%rbx)\n .endm\n"
        ".macro general move, at\n"
        "\\move \\at, 0, rax\n \\move \\at, 2, rcx\n \\move \\at, 3, rdx\n \\move \\at, 4, rsi\n"
        "\\move \\at, 5, rdi\n \\move \\at, 6, rbp\n"
        ".irp i, 8, 9, 10, 11, 12, 13, 14, 15\n \\move \\at, \\i, r\\i\n .endr\n"
        ".endm\n"
        "way hold_call_xmm, movdqu, xmm, 16, 0, 0\n"
        "way hold_work_xmm, movdqu, xmm, 16, 1, 0\n"
        "way hold_call_ymm, vmovdqu, ymm, 32, 0, 1\n"
        "way hold_work_ymm, vmovdqu, ymm, 32, 1, 1\n");

void hold_call_xmm(struct hold *), hold_work_xmm(struct hold *);
void hold_call_ymm(struct hold *), hold_work_ymm(struct hold *);
