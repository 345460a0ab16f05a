// Command tell says, for each byte of its input, what time it is in nanoseconds of Unix
// time, and how long it runs by its monotonic clock.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	began := time.Now()
	for {
		if n, err := os.Stdin.Read(make([]byte, 1)); n == 0 || err != nil {
			return
		}
		fmt.Println(time.Now().UnixNano(), int64(time.Since(began)))
	}
}
