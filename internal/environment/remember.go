package environment

import (
	"context"
	"sync"
)

// remember returns a function that asks for a value until it gets one, and
// returns that from then on. An error is not remembered.
func remember[T any](ask func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mutex sync.Mutex
	var value T
	known := false
	return func(ctx context.Context) (T, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if known {
			return value, nil
		}
		asked, err := ask(ctx)
		if err != nil {
			return asked, err
		}
		value, known = asked, true
		return value, nil
	}
}
