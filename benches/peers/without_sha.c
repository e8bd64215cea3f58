/* A library for LD_PRELOAD that hides the SHA instructions from a program: `benches/peers/run --without-sha`.
 *
 * Linux can make the instruction `cpuid` a fault, if the processor supports this (`cpuid_fault` in /proc/cpuinfo). The
 * handler then answers as the processor does, without the bit of the SHA instructions. A program that asks with `cpuid`
 * therefore runs the code that it has for older processors, at full speed. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { ARCH_SET_CPUID = 0x1012 };

/* Not `syscall`, whose error is in `errno`: the handler must not change it. */
static long allow_cpuid(long allow)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_arch_prctl), "D"(ARCH_SET_CPUID), "S"(allow)
                     : "rcx", "r11", "memory");
    return result;
}

static void answer(int signal_number, siginfo_t *information, void *context)
{
    (void)information;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
    if (instruction[0] != 0x0f || instruction[1] != 0xa2) {
        signal(signal_number, SIG_DFL);
        return;
    }
    unsigned leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    allow_cpuid(1);
    __cpuid_count(leaf, part, a, b, c, d);
    allow_cpuid(0);
    if (leaf == 7 && part == 0)
        b &= ~bit_SHA;
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void hide(void)
{
    struct sigaction action = { .sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    if (sigaction(SIGSEGV, &action, NULL) != 0 || allow_cpuid(0) != 0) {
        fputs("this processor or system cannot hide the SHA instructions\n", stderr);
        _exit(1);
    }
}
